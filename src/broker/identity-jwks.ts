// A JWK set at a URL: fetched when it is first needed, again when it is old or a token names a key that it lacks,
// and kept while the URL is down. Never waits long, reads much, or lets callers make it ask often.

import { createRemoteJWKSet, customFetch, type FetchImplementation, type RemoteJWKSet } from 'jose';
import { FairleadError } from '../protocol/errors.ts';
import { type BrokerLog, bounded } from './broker-log.ts';
import { type Algorithm, type KeySource, type PinnedKey, publicKeys } from './identity-keys.ts';

export interface RemoteKeysOptions {
  /** `https:` URL; `http:` on loopback only. */
  readonly url: string;
  readonly algorithms?: readonly Algorithm[] | undefined;
  readonly log: BrokerLog;
  /** Gets the set, for those who need a certificate or a token to do so. Default: the platform's `fetch`. */
  readonly fetch?: FetchImplementation | undefined;
  /** Milliseconds since whenever. Default `Date.now`. */
  readonly now?: (() => number) | undefined;
}

/** Age at which a set is fetched again, in ms: a key that was withdrawn is believed no longer than this. */
const maxAgeMs = 600_000;
/** Least time between two fetches, in ms, whatever tokens name. */
const cooldownMs = 30_000;
const timeoutMs = 5000;
const maxBytes = 262_144;

export class RemoteKeys implements KeySource {
  readonly #set: RemoteJWKSet;
  readonly #options: RemoteKeysOptions;
  readonly #now: () => number;
  #keys: readonly PinnedKey[] | undefined;
  #loadedAt = Number.NEGATIVE_INFINITY;
  #askedAt = Number.NEGATIVE_INFINITY;
  #asking: Promise<void> | undefined;

  /** @throws FairleadError ERR_CONFIG where the URL is not one to fetch keys from */
  constructor(options: RemoteKeysOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    const get = options.fetch ?? ((url, init) => fetch(url, init));
    this.#set = createRemoteJWKSet(keysUrl(options.url), {
      timeoutDuration: timeoutMs,
      [customFetch]: async (url, init) => boundedResponse(await get(url, init)),
    });
  }

  async find(kid: string | undefined): Promise<readonly PinnedKey[]> {
    const isOld = this.#now() - this.#loadedAt >= maxAgeMs;
    const isUnknown = kid !== undefined && this.#keys?.some((key) => key.kid === kid) !== true;
    if (isOld || isUnknown) await this.#refresh();
    if (this.#keys === undefined)
      throw new FairleadError(
        'ERR_BROKER_UNREACHABLE',
        'the keys to check this token with cannot be fetched at present: try again soon',
      );
    return this.#keys;
  }

  #refresh(): Promise<void> {
    if (this.#asking !== undefined) return this.#asking;
    if (this.#now() - this.#askedAt < cooldownMs) return Promise.resolve();
    this.#askedAt = this.#now();
    this.#asking = this.#load().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #load(): Promise<void> {
    const { log, url, algorithms } = this.#options;
    try {
      await this.#set.reload();
      this.#keys = await publicKeys(JSON.stringify(this.#set.jwks()), algorithms);
      this.#loadedAt = this.#now();
      log.info({ event: 'jwks-loaded', url, keys: this.#keys.length }, 'keys fetched');
    } catch (error) {
      const why = bounded(error instanceof Error ? error.message : String(error));
      log.warn(
        { event: 'jwks-failed', url, error: why, kept: this.#keys?.length ?? 0 },
        'keys cannot be fetched: those known before stay in use',
      );
    }
  }
}

/** Keys must come from whom the URL names, unchanged by anyone between. */
function keysUrl(text: string): URL {
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw new FairleadError('ERR_CONFIG', 'a JWK set is at an https:// URL');
  }
  if (url.username !== '' || url.password !== '')
    throw new FairleadError('ERR_CONFIG', 'the URL of a JWK set holds no user or password');
  const isLoopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback))
    throw new FairleadError('ERR_CONFIG', 'a JWK set is fetched over https:// only');
  return url;
}

/** The same answer, read to its end here, so that it cannot be longer than a key set is. */
async function boundedResponse(response: Response): Promise<Response> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done || value === undefined) break;
    bytes += value.length;
    if (bytes > maxBytes) {
      await reader?.cancel();
      throw new FairleadError('ERR_CONFIG', `the answer is longer than ${maxBytes} bytes`);
    }
    chunks.push(value);
  }
  return new Response(new Blob(chunks as BlobPart[]), { status: response.status });
}
