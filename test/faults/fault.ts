// One fault: what is done to the site while its streams are busy, and the proof that it was.

import { randomFrom } from '../rig/random.ts';
import { Site, type SiteOptions } from './site.ts';

export interface Fault {
  readonly name: string;
  /** What the site is to be like; then it is the fault's own. Default: plain, and shared with other faults. */
  prepare?(site: Site): Promise<Partial<SiteOptions>>;
  /** Whether it leaves the site other than it found it. Default false. */
  readonly spoilsSite?: boolean;
  /** Whether streams may end by it: their own process dies. Default false. */
  readonly endsStreams?: boolean;
  /** Makes it happen and lifts it. Answers how it was seen to have happened. @throws where it was not */
  happen(site: Site, random: () => number): Promise<string>;
}

export interface Row {
  readonly fault: string;
  readonly evidence: string;
  readonly bytes: number;
  readonly worstStandstillMs: number;
  readonly medianStandstillMs: number;
  /** From the fault's end until something had come on every stream. */
  readonly resumedMs: number;
  /** Streams that ended by it, where it is their end. */
  readonly ended: number;
}

/** The site of faults that leave it as they found it, and ask nothing of it. */
export class SharedSite implements AsyncDisposable {
  private current: Site | undefined;

  async get(seed: number): Promise<Site> {
    if (this.current === undefined) {
      this.current = await Site.build(seed);
      await this.current.start({});
    }
    return this.current;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.current?.[Symbol.asyncDispose]();
    this.current = undefined;
  }
}

/** @throws where a byte is wrong, a stream is lost or hangs, or the fault did not happen */
export async function endure(
  fault: Fault,
  streams: number,
  seed: number,
  shared = new SharedSite(),
): Promise<Row> {
  if (fault.prepare === undefined && fault.spoilsSite !== true) {
    try {
      return await endureAt(await shared.get(seed), fault, streams, seed);
    } catch (error) {
      await shared[Symbol.asyncDispose]();
      throw error;
    }
  }
  await using site = await Site.build(seed);
  await site.start({ ...(await fault.prepare?.(site)) });
  return await endureAt(site, fault, streams, seed);
}

async function endureAt(site: Site, fault: Fault, streams: number, seed: number): Promise<Row> {
  await site.startWorkload(streams);
  const { bytes: before } = await site.say('mark');
  const evidence = await fault.happen(site, randomFrom(seed));
  await site.say('lifted');
  const resumedMs = await site.untilMoved(60_000);
  const { worstStandstillMs, medianStandstillMs } = await site.say('report');
  const { bytes, broken, wrong } = await site.say('finish');
  await site.endWorkload();
  if (wrong.length > 0) throw new Error(`${fault.name}: ${wrong.join('; ')}`);
  if (broken > 0 && fault.endsStreams !== true) {
    const logs = [...site.programs].map(([name, { log }]) => `${name}:\n${log.slice(-1500)}`).join('\n');
    throw new Error(`${fault.name}: ${broken} streams were lost (${evidence})\n${logs}`);
  }
  return {
    fault: fault.name,
    evidence,
    bytes: bytes - before,
    worstStandstillMs,
    medianStandstillMs,
    resumedMs,
    ended: broken,
  };
}
