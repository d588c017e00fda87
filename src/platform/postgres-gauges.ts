import { metrics } from '@opentelemetry/api';
import type pg from 'pg';

/** Publishes what the connections of a pool are doing, for as long as it is open. */
export function observePool(pool: pg.Pool): void {
  const meter = metrics.getMeter('ragbase.postgres');
  const connections = meter.createObservableGauge('postgres_pool_connections', {
    description: 'Open database connections, by what they are doing',
  });
  const waiting = meter.createObservableGauge('postgres_pool_waiting_requests', {
    description: 'Queries and transactions that wait for a connection',
  });
  const max = meter.createObservableGauge('postgres_pool_max_connections', {
    description: 'Connections that the pool may open',
  });
  meter.addBatchObservableCallback(
    (result) => {
      if (pool.ended) return;
      result.observe(connections, pool.totalCount - pool.idleCount, { state: 'used' });
      result.observe(connections, pool.idleCount, { state: 'idle' });
      result.observe(waiting, pool.waitingCount);
      result.observe(max, pool.options.max);
    },
    [connections, waiting, max],
  );
}
