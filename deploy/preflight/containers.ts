import type { ComposeModel, Container } from './compose-model.ts';
import { type Finding, unless } from './finding.ts';

const MIN_COMPOSE = [2, 24] as const;

/** Whether each service runs and is well; those that only prepare something must have ended well. */
export function checkContainers({ services }: ComposeModel, containers: readonly Container[]): Finding[] {
  const faults = Object.entries(services).flatMap(([service, { restart }]) => {
    const own = containers.filter(({ Service }) => Service === service);
    if (own.length === 0) return [`${service} has no container`];
    return own.flatMap((container) => faultOf(container, restart === 'no') ?? []);
  });
  const todo = 'docker compose … up -d --wait, then logs of that service';
  return unless(faults, `${Object.keys(services).length} services run and are well`, todo);
}

function faultOf({ Service, State, Health, ExitCode }: Container, ends: boolean): string | undefined {
  if (ends && State === 'exited') return ExitCode === 0 ? undefined : `${Service} ended with status ${ExitCode}`;
  if (State !== 'running') return `${Service} is ${State}`;
  return Health === '' || Health === 'healthy' ? undefined : `${Service} is ${Health}`;
}

/** @param version as `docker compose version --short` prints it, with a `v` before it or not. */
export function checkComposeVersion(version: string): Finding[] {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  const [wantedMajor, wantedMinor] = MIN_COMPOSE;
  const isOld = major < wantedMajor || (major === wantedMajor && minor < wantedMinor);
  return unless(
    isOld ? [`Docker Compose ${version} is too old`] : [],
    `Docker Compose ${version}`,
    `install ${MIN_COMPOSE.join('.')} or later`,
  );
}
