import type { ComposeModel } from './compose-model.ts';
import { type Finding, ok, unless } from './finding.ts';

/** What strangers may reach: the API, or the proxy before it. */
const PUBLIC: Record<string, readonly number[]> = { backend: [3000], proxy: [80, 443] };

/** Whether the API is all that is published on an address that others reach. */
export function checkPublished({ services }: ComposeModel): Finding[] {
  const open = Object.entries(services).flatMap(([service, { ports }]) =>
    ports.filter(({ host_ip }) => !isLoopback(host_ip)).map((port) => ({ service, ...port })),
  );
  const faults = open
    .filter(({ service, target }) => !PUBLIC[service]?.includes(target))
    .map(
      ({ service, target, host_ip }) => `port ${target} of ${service} is published on ${host_ip ?? 'every address'}`,
    );
  const shown = open.map(({ service, host_ip, published }) => `${service} on ${host_ip ?? '*'}:${published}`);
  return [
    ...unless(faults, 'nothing but the API is published to others', 'publish it on 127.0.0.1, or not at all'),
    ...(faults.length === 0 ? [ok(`published: ${shown.join(', ') || 'nothing beyond this machine'}`)] : []),
  ];
}

const isLoopback = (address: string | undefined): boolean => /^(127\.|::1$|\[::1\]$)/.test(address ?? '');
