// What either end is told about end-to-end encryption, checked once, here; and what it says at any one moment,
// since files behind it may change while links live.

import { X509Certificate } from 'node:crypto';
import * as z from 'zod';
import { FairleadError } from '../protocol/errors.ts';
import { type Identity, parseIdentity } from './identity.ts';
import { type KnownPeers, parsePeers } from './peers.ts';

/** Text, or what gives it: asked for every handshake, so that it may be replaced while links live. */
type TextSource = string | (() => string);

export interface E2eOptions {
  /** PEM of this side's private key and certificate, as `fairlead keys --e2e` makes them. */
  readonly key: TextSource;
  /**
   * Whose keys are taken: lines `PIN NAME`. At an agent NAME is what its owner calls the dialer; at a dialer it is the
   * node, or a pattern of nodes. This or `ca`.
   */
  readonly peers?: TextSource | undefined;
  /** PEM of the authorities whose certificates are taken instead; those say the name. This or `peers`. */
  readonly ca?: TextSource | undefined;
  /** Calls the listener when one of these may have changed, for streams that are open; answers how to stop. */
  readonly onChange?: ((listener: () => void) => () => void) | undefined;
}

/** A dialer's side of encryption to the agent: its own key, and whose keys it takes. */
export interface E2eDialerOptions extends E2eOptions {
  /**
   * Streams to a node whose handshake is done ahead, so that the next dial needs no round trip for it. Range 0 to 4;
   * default 1. None is made before the first dial.
   */
  readonly spareStreams?: number | undefined;
}

export interface E2eAgentOptions extends E2eOptions {
  /** Refuses streams that are not encrypted. Default false. */
  readonly isRequired?: boolean | undefined;
}

const source = z.union([z.string(), z.custom<() => string>((it) => typeof it === 'function')]);
const common = {
  key: source,
  peers: source.optional(),
  ca: source.optional(),
  onChange: z.custom<(listener: () => void) => () => void>((it) => typeof it === 'function').optional(),
};
const hasOneTrust = ({ peers, ca }: { peers?: unknown; ca?: unknown }) =>
  (peers === undefined) !== (ca === undefined);
const oneTrust = { message: 'say whose keys are taken by one of "peers" and "ca"', path: ['peers'] };

export const e2eDialerSchema = z
  .strictObject({ ...common, spareStreams: z.int().min(0).max(4).default(1) })
  .refine(hasOneTrust, oneTrust);
const e2eAgentSchema = z
  .strictObject({ ...common, isRequired: z.boolean().default(false) })
  .refine(hasOneTrust, oneTrust);

/** @throws FairleadError ERR_CONFIG that names the option */
export function parseE2eAgent(options: E2eAgentOptions): { readonly isRequired: boolean } {
  const parsed = e2eAgentSchema.safeParse(options);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new FairleadError('ERR_CONFIG', `agent option "e2e.${issue?.path.join('.')}": ${issue?.message}`);
}

/** What holds at one moment. The same object for as long as nothing has changed. */
export interface Credentials {
  readonly identity: Identity;
  /** Known keys, or PEM of authorities. */
  readonly trusted: { readonly peers: KnownPeers } | { readonly ca: string };
}

/** Answers what holds now. @throws FairleadError ERR_CONFIG where a source is malformed */
export function credentialsOf({ key, peers, ca }: E2eOptions): () => Credentials {
  const identity = parsedWhenChanged(key, parseIdentity);
  const trusted = parsedWhenChanged(peers ?? ca ?? '', (text) =>
    peers === undefined ? { ca: parseAuthorities(text) } : { peers: parsePeers(text) },
  );
  let current: Credentials | undefined;
  return () => {
    const next = { identity: identity(), trusted: trusted() };
    if (current?.identity !== next.identity || current.trusted !== next.trusted) current = next;
    return current;
  };
}

/** @throws FairleadError ERR_CONFIG */
export function parseAuthorities(pem: string): string {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw new FairleadError('ERR_CONFIG', 'no certificate of an authority in PEM');
  for (const block of blocks) {
    try {
      new X509Certificate(block);
    } catch {
      throw new FairleadError('ERR_CONFIG', "an authority's certificate cannot be read");
    }
  }
  return pem;
}

function parsedWhenChanged<T>(from: TextSource, parse: (text: string) => T): () => T {
  let last: { readonly text: string; readonly value: T } | undefined;
  return () => {
    const text = typeof from === 'string' ? from : from();
    if (last?.text !== text) last = { text, value: parse(text) };
    return last.value;
  };
}
