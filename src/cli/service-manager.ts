// What systemd is told, and hands over: readiness, its watchdog, and sockets that it listens on for us. Node has no UNIX
// datagram sockets, so that "systemd-notify" says it. Without systemd, nothing here does anything.

import { execFile } from 'node:child_process';
import { UsageError } from './failure.ts';

/** sd_listen_fds(3): the first descriptor that is handed over. */
const firstFd = 3;
const leastWatchdogMs = 1000;
/** Longest that one message may take, in ms. */
const longestMs = 1000;

type Environment = Readonly<Record<string, string | undefined>>;

export class ServiceManager {
  private readonly isThere: boolean;
  private watchdog: NodeJS.Timeout | undefined;
  /** One message after the other. */
  private said: Promise<void> = Promise.resolve();

  constructor(env: Environment = process.env) {
    this.isThere = (env.NOTIFY_SOCKET ?? '') !== '';
    const limitMs = watchdogMs(env);
    if (!this.isThere || limitMs === undefined) return;
    // Half of it, as sd_watchdog_enabled(3) recommends: an event loop that hangs says nothing.
    const everyMs = Math.max(limitMs / 2, leastWatchdogMs / 2);
    let isUnderWay = false;
    const beat = async () => {
      if (isUnderWay) return;
      isUnderWay = true;
      await this.say('WATCHDOG=1');
      isUnderWay = false;
    };
    this.watchdog = setInterval(() => void beat(), everyMs).unref();
  }

  ready(status: string): void {
    void this.say('READY=1', `STATUS=${status}`);
  }

  /** The caller reads its config file again. */
  reloading(status: string): void {
    void this.say('RELOADING=1');
    this.ready(status);
  }

  stopping(): void {
    clearInterval(this.watchdog);
    // Now: this process may soon be gone.
    if (this.isThere) void this.tell(['STOPPING=1', 'STATUS=letting what is open finish']);
  }

  private say(...lines: string[]): Promise<void> {
    if (!this.isThere) return Promise.resolve();
    this.said = this.said.then(() => this.tell(lines));
    return this.said;
  }

  private tell(lines: readonly string[]): Promise<void> {
    return new Promise((resolve) => {
      // It waits until systemd has seen it: who had ended by then would be a stranger.
      // Where it cannot be told, systemd itself says so: the unit's start, or its watchdog, runs out of time.
      execFile('systemd-notify', [`--pid=${process.pid}`, ...lines], { timeout: longestMs }, () => resolve());
    });
  }
}

/**
 * The socket that systemd listens on in our place, by its descriptor; undefined where it hands none over.
 *
 * @throws UsageError where it hands over several
 */
export function handedOver(env: Environment = process.env, pid = process.pid): number | undefined {
  if (env.LISTEN_PID !== String(pid)) return undefined;
  const count = Number(env.LISTEN_FDS);
  if (count === 1) return firstFd;
  if (count > 1) throw new UsageError('systemd hands over several sockets: the .socket unit should have one');
  return undefined;
}

function watchdogMs(env: Environment): number | undefined {
  if (env.WATCHDOG_PID !== undefined && env.WATCHDOG_PID !== String(process.pid)) return undefined;
  const ms = Number(env.WATCHDOG_USEC) / 1000;
  return ms >= leastWatchdogMs ? ms : undefined;
}
