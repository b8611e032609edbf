// What a link to the broker is to those above it: the same for the WebSocket of Node (link.ts) and for a browser's.

import type { ControlMessage, Hello } from '../protocol/control.ts';
import type { FairleadError } from '../protocol/errors.ts';
import type { BrokerAccess, Credentials } from './broker-access.ts';

export interface LinkHandler {
  /** What the dial is known by that the link is opened for; asked when the request is made, if ever. */
  requestId?(): string | undefined;
  /** The broker's first message: the link can be used. */
  hello(hello: Hello): void;
  control(message: ControlMessage): void;
  /** A session's message; the handler's to keep. */
  message(data: Uint8Array): void;
  /** There is room again after `bufferedBytes` was over {@link linkHighWaterBytes}. */
  drained(): void;
  /** The broker has not answered for a while. The link may still come to life; `closed` says when it is given up. */
  silent?(): void;
  /** Once, also where the link never came up. */
  closed(error: FairleadError): void;
}

/** Bytes queued in this process above which a sender should wait. The rest of the queue is the kernel's. */
export const linkHighWaterBytes = 262_144;
/** Where it may go on. */
export const linkLowWaterBytes = 65_536;

export interface BrokerLink {
  /** Bytes handed over and not yet taken by the kernel. */
  readonly bufferedBytes: number;
  /** As HELLO said. */
  readonly messagesAreDear: boolean;
  /** What the link was opened with; undefined until it is known. */
  readonly credentials: Credentials | undefined;
  /** `message` is not modified and must not be until it is sent. Dropped when the link is not up. */
  send(message: Uint8Array): void;
  sendControl(type: number, session?: bigint, body?: object): void;
  /** Ends the link in order; the handler hears of it once it has ended. */
  close(): void;
}

/** Sees when a link that a certificate has opened needs another one. */
export interface CertificateWatch {
  begin(credentials: Credentials): void;
  end(): void;
  look(): Promise<void>;
}

/** How links are opened where this runs. */
export interface LinkMaker {
  readonly access: BrokerAccess;
  /** `path` is `/v1/agent` or `/v1/dial`. The handler hears of everything, errors included. */
  open(path: string, query: Record<string, string>, handler: LinkHandler): BrokerLink;
  /** Absent: no certificate is ever shown. */
  readonly watchCertificate?: (renewed: () => void) => CertificateWatch;
}
