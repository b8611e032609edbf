// What a peer and its broker say to each other on session 0, beside who is paired with whom. Holds what is only
// about the link itself: how often it speaks unasked, and whether a newer token of its is being judged.

import { encodeControl, parsePayload, reasonSchema } from '../protocol/control.ts';
import { closeCodes, FairleadError } from '../protocol/errors.ts';
import { frameTypes } from '../protocol/frame.ts';
import { PerSecond } from '../protocol/limits.ts';
import { reportOf } from './agent-report.ts';
import { bounded } from './broker-log.ts';
import { readControl } from './control-reader.ts';
import { type BrokerLink, isAgentLink } from './link.ts';
import { describeLink } from './link-fields.ts';
import type { Pairing } from './pairing.ts';
import { renewalOf } from './reauth.ts';
import type { RelayOptions } from './relay-options.ts';

type Cut = (link: BrokerLink, code: number, reason: string) => void;

export class ControlChannel {
  readonly #options: RelayOptions;
  readonly #pairing: Pairing;
  readonly #cut: Cut;
  /** Links whose newer token is being checked: one at a time. */
  readonly #judging = new WeakSet<BrokerLink>();
  /** Control frames that a link has sent unasked. */
  readonly #unasked = new WeakMap<BrokerLink, PerSecond>();

  constructor(options: RelayOptions, pairing: Pairing, cut: Cut) {
    this.#options = options;
    this.#pairing = pairing;
    this.#cut = cut;
  }

  /** One whole message. Never throws: what is wrong with it ends this link only. */
  receive(link: BrokerLink, message: Uint8Array): void {
    try {
      readControl(link.tag.kind, message, (type, session, payload) => {
        // A frame of this very message may have ended the link.
        if (link.tag.state === 'closed') return;
        if (isAgentLink(link) && type === frameTypes.ATTACH) {
          // Answers to ATTACH may come by the thousand, each of them asked for.
          if (!this.#pairing.accepted(link, session)) this.#mayAsk(link);
        } else if (isAgentLink(link) && type === frameTypes.DETACH) {
          if (!this.#pairing.refusedBy(link, session, parsePayload(reasonSchema, payload)))
            this.#mayAsk(link);
        } else if (this.#mayAsk(link)) this.#asked(link, type, session, payload);
      });
    } catch (error) {
      if (!(error instanceof FairleadError)) throw error;
      this.#cut(link, closeCodes.protocol, error.message);
    }
  }

  #asked(link: BrokerLink, type: number, session: bigint, payload: Uint8Array): void {
    if (type === frameTypes.PING) this.#pong(link, session);
    else if (type === frameTypes.REAUTH) void this.#reauthenticate(link, payload);
    else if (type === frameTypes.STATUS && isAgentLink(link)) link.tag.told = reportOf(payload);
    else if (type === frameTypes.GOAWAY && isAgentLink(link)) this.#pairing.drain(link);
  }

  /** Counts a frame that nobody asked for. False where it was one too many, which has ended the link. */
  #mayAsk(link: BrokerLink): boolean {
    const { maxControlFramesPerSecond, now } = this.#options;
    let rate = this.#unasked.get(link);
    if (rate === undefined) {
      rate = new PerSecond(maxControlFramesPerSecond);
      this.#unasked.set(link, rate);
    }
    if (rate.allow(now())) return true;
    this.#cut(link, closeCodes.limit, 'ERR_RATE_LIMIT: too many control frames');
    return false;
  }

  /** A newer token on a link that is open. Until it is judged, the link is what it was. */
  async #reauthenticate(link: BrokerLink, payload: Uint8Array): Promise<void> {
    const { verifyToken, log } = this.#options;
    if (verifyToken === undefined) return;
    if (this.#judging.has(link)) {
      this.#cut(link, closeCodes.protocol, 'REAUTH before the one before it was answered');
      return;
    }
    this.#judging.add(link);
    try {
      const renewal = await renewalOf(link.tag, payload, verifyToken);
      if (link.tag.state === 'closed') return;
      Object.assign(link.tag, renewal);
      link.saveTag();
      log.info({ event: 'link-renewed', ...describeLink(link) }, 'a newer token was shown');
      link.send(encodeControl(frameTypes.REAUTH));
    } catch (error) {
      if (!(error instanceof FairleadError)) {
        log.error({ event: 'reauth-failed', error: bounded(String(error)) }, 'a newer token was not judged');
        return;
      }
      // Whether it is good cannot be told now: the peer shows it again, and the link is good for as long as it was.
      if (error.code === 'ERR_BROKER_UNREACHABLE') return;
      const code = error.code === 'ERR_PROTOCOL' ? closeCodes.protocol : closeCodes.unauthorized;
      this.#cut(link, code, error.message);
    } finally {
      this.#judging.delete(link);
    }
  }

  #pong(link: BrokerLink, argument: bigint): void {
    if (link.bufferedBytes() > this.#options.highWaterBytes) return;
    link.send(encodeControl(frameTypes.PONG, argument));
  }
}
