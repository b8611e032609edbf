// One fault: what is done to the site while its streams are busy, and the proof that it was.

import { randomFrom } from '../rig/random.ts';
import { Site, type SiteOptions } from './site.ts';

export interface Fault {
  readonly name: string;
  /** What the site is to be like, besides the number of streams. Default: plain. */
  prepare?(site: Site): Promise<Partial<SiteOptions>>;
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

/** @throws where a byte is wrong, a stream is lost or hangs, or the fault did not happen */
export async function endure(fault: Fault, streams: number, seed: number): Promise<Row> {
  await using site = await Site.build(seed);
  await site.start({ streams, ...(await fault.prepare?.(site)) });
  const { bytes: before } = await site.say('mark');
  const evidence = await fault.happen(site, randomFrom(seed));
  await site.say('lifted');
  const resumedMs = await site.untilMoved(60_000);
  const { worstStandstillMs, medianStandstillMs } = await site.say('report');
  const { bytes, broken, wrong } = await site.say('finish');
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
