import { openOtlpReceiver } from '../../deploy/local/otlp-receiver.ts';
import { freePorts } from '../../deploy/local/ports.ts';
import { openRedisServer, type RedisServer } from '../support/redis-server.ts';
import { type Service, startService } from '../support/service.ts';
import { openSeverableProxy, type SeverableProxy } from '../support/severable-proxy.ts';
import { type ChaosDatabase, openChaosDatabase } from './database.ts';
import { type ChaosProvider, openChaosProvider } from './provider.ts';

/** A running service, and all that it stands on. */
export interface Surroundings {
  service: Service;
  redis: RedisServer;
  database: ChaosDatabase;
  provider: ChaosProvider;
  /** What its processes reach each other and the rest by. */
  ways: Record<'redis' | 'collector' | 'backend' | 'provider', SeverableProxy>;
}

/** Starts the service with a way that can be cut to everything that it uses; `closers` ends it all. */
export async function openSurroundings(
  closers: AsyncDisposableStack,
  env: Record<string, string> = {},
): Promise<Surroundings> {
  const kept = <T extends { close(): unknown }>(opened: T): T => {
    closers.defer(async () => void (await opened.close()));
    return opened;
  };
  const wayTo = async (port: number) => kept(await openSeverableProxy(port));
  const [port, internalPort = 0, workerPort] = await freePorts(3);
  const redis = kept(await openRedisServer());
  const database = kept(await openChaosDatabase());
  const provider = kept(await openChaosProvider());
  const collector = kept(await openOtlpReceiver());
  const ways = {
    redis: await wayTo(redis.port),
    collector: await wayTo(Number(new URL(collector.endpoint).port)),
    backend: await wayTo(internalPort),
    provider: await wayTo(provider.port),
  };
  const service = await startService(
    {
      PORT: String(port),
      INTERNAL_PORT: String(internalPort),
      WORKER_PORT: String(workerPort),
      CALLBACK_URL: `http://127.0.0.1:${ways.backend.port}`,
      REDIS_URL: `redis://127.0.0.1:${ways.redis.port}`,
      ...database.settings,
      EMBEDDING_PROVIDER: 'openai',
      EMBEDDING_BASE_URL: `http://127.0.0.1:${ways.provider.port}/v1`,
      EMBEDDING_MODEL: 'chaos',
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${ways.collector.port}`,
      OCR_ENABLED: 'false',
      ...env,
    },
    { ports: 'configured' },
  );
  closers.defer(async () => void (await service.stop()));
  return { service, redis, database, provider, ways };
}
