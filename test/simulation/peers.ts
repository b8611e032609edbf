// The simulated agent and dialer: they keep a link, feed the real session core from it and pull it empty into it.

import { decodeControl, encodeControl } from '../../src/protocol/control.ts';
import { controlSession, formatSession, readSession } from '../../src/protocol/envelope.ts';
import type { FairleadError } from '../../src/protocol/errors.ts';
import { frameTypes } from '../../src/protocol/frame.ts';
import { type OpenRequest, type Role, Session, type SessionHost } from '../../src/protocol/session.ts';
import type { Stream } from '../../src/protocol/stream.ts';
import type { SimulatedLink } from './network.ts';
import type { World } from './world.ts';

/** One session core and its timers in virtual time. */
class Peer implements SessionHost {
  readonly session: Session;
  private readonly world: World;
  private readonly outlet: () => SimulatedLink | undefined;
  private readonly onOpened: (stream: Stream, request: OpenRequest) => void;
  private flushing = false;
  private wake = Number.POSITIVE_INFINITY;

  constructor(
    world: World,
    role: Role,
    id: bigint,
    outlet: () => SimulatedLink | undefined,
    onOpened: (stream: Stream, request: OpenRequest) => void,
  ) {
    this.world = world;
    this.outlet = outlet;
    this.onOpened = onOpened;
    this.session = new Session(role, id, this);
  }

  now(): number {
    return this.world.clock.now;
  }

  outputReady(): void {
    if (this.flushing) return;
    this.flushing = true;
    this.world.clock.after(0, () => {
      this.flushing = false;
      const link = this.outlet();
      if (link === undefined) return;
      for (let out = this.session.pull(); out !== undefined; out = this.session.pull())
        link.send('broker', out);
    });
  }

  wakeAt(atMs: number): void {
    if (atMs >= this.wake) return;
    this.wake = atMs;
    this.world.clock.at(atMs, () => {
      if (this.wake > this.world.clock.now) return;
      this.wake = Number.POSITIVE_INFINITY;
      this.session.advance();
    });
  }

  retired(bytes: Uint8Array): void {
    this.world.underWay.retire(bytes);
  }

  opened(stream: Stream, request: OpenRequest): void {
    this.onOpened(stream, request);
  }

  closed(error: FairleadError): void {
    this.world.violate(`a session ended: ${error.code}: ${error.message}`);
  }
}

/** What both kinds of peer do about their link. */
abstract class LinkedPeer {
  protected readonly world: World;
  protected link: SimulatedLink | undefined;
  private retrying = false;

  constructor(world: World) {
    this.world = world;
  }

  connect(): void {
    const link = this.world.connect(this as unknown as SimulatedAgent | SimulatedDialer);
    if (link === undefined) {
      this.retry();
      return;
    }
    const old = this.link;
    this.link = link;
    link.ends.peer = {
      message: (data) => {
        if (this.link === link) this.onMessage(data);
      },
      closed: () => {
        if (this.link !== link) return;
        this.link = undefined;
        this.onLinkLost();
        this.retry();
      },
    };
    if (old !== undefined) this.onLinkLost();
  }

  private retry(): void {
    if (this.retrying) return;
    this.retrying = true;
    this.world.clock.after(this.world.random.next() * 1000, () => {
      this.retrying = false;
      if (this.link === undefined) this.connect();
    });
  }

  /** The path breaks; either end may be slow to learn of it. False where there was none. */
  cut(): boolean {
    if (this.link === undefined || !this.link.open) return false;
    const { random } = this.world;
    const lateMs = () => (random.chance(0.3) ? random.next() * 3000 : random.next() * 5);
    this.link.cut(1006, lateMs(), lateMs());
    return true;
  }

  private onMessage(data: Uint8Array): void {
    if (readSession(data) !== controlSession) {
      this.onSessionMessage(data);
      return;
    }
    for (const { type, session, payload } of decodeControl(data)) this.onControl(type, session, payload);
  }

  protected abstract onControl(type: number, session: bigint, payload: Uint8Array): void;
  protected abstract onSessionMessage(data: Uint8Array): void;
  protected abstract onLinkLost(): void;
}

export class SimulatedDialer extends LinkedPeer {
  readonly node: string;
  readonly principal: string;
  readonly sessionText: string;
  /** Known once the broker has told it. */
  instance: string | undefined;
  private readonly peer: Peer;
  private reachable = false;

  constructor(world: World, node: string, principal: string, session: bigint) {
    super(world);
    this.node = node;
    this.principal = principal;
    this.sessionText = formatSession(session);
    this.peer = new Peer(
      world,
      'dialer',
      session,
      () => this.link,
      () => {},
    );
  }

  get session(): Session {
    return this.peer.session;
  }

  protected override onControl(type: number, _session: bigint, payload: Uint8Array): void {
    if (type === frameTypes.HELLO) {
      this.reachable = true;
      this.session.linkUp(this.world.path);
    } else if (type === frameTypes.UNREACHABLE) {
      this.world.counts.unreachable += 1;
      this.reachable = false;
      this.session.linkDown();
    } else if (type === frameTypes.ATTACH) {
      this.instance = JSON.parse(Buffer.from(payload).toString()).instance;
      if (!this.reachable) this.session.linkUp(this.world.path);
      this.reachable = true;
    }
  }

  protected override onSessionMessage(data: Uint8Array): void {
    this.reachable = true;
    this.session.receive(data);
  }

  protected override onLinkLost(): void {
    this.reachable = false;
    this.session.linkDown();
  }
}

export class SimulatedAgent extends LinkedPeer {
  readonly node: string;
  readonly instance: string;
  private readonly sessions = new Map<bigint, Peer>();

  constructor(world: World, node: string, instance: string) {
    super(world);
    this.node = node;
    this.instance = instance;
  }

  peers(): { readonly session: Session }[] {
    return [...this.sessions.values()];
  }

  hasStreams(): boolean {
    for (const { session } of this.sessions.values()) if (session.streamCount > 0) return true;
    return false;
  }

  /** A new link while the old one still stands, as when the network changes under it. */
  move(): boolean {
    if (this.link === undefined) return false;
    this.connect();
    return true;
  }

  protected override onControl(type: number, session: bigint): void {
    if (type === frameTypes.ATTACH) {
      let peer = this.sessions.get(session);
      if (peer === undefined) {
        peer = new Peer(
          this.world,
          'agent',
          session,
          () => this.link,
          (stream, request) => this.dial(stream, request),
        );
        this.sessions.set(session, peer);
      }
      this.link?.send('broker', encodeControl(frameTypes.ATTACH, session));
      peer.session.linkUp(this.world.path);
    } else if (type === frameTypes.DETACH || type === frameTypes.UNREACHABLE) {
      this.sessions.get(session)?.session.linkDown();
    }
  }

  protected override onSessionMessage(data: Uint8Array): void {
    this.sessions.get(readSession(data) as bigint)?.session.receive(data);
  }

  protected override onLinkLost(): void {
    for (const { session } of this.sessions.values()) session.linkDown();
  }

  private dial(stream: Stream, request: OpenRequest): void {
    const { side, refuse } = this.world.dialled(request.port - 1);
    stream.handler = side;
    this.world.clock.after(this.world.random.next() * 50, () => {
      if (side.outcome !== 'running') return;
      if (refuse) {
        side.outcome = 'reset-here';
        stream.reset('ECONNREFUSED', 'as planned');
        return;
      }
      stream.accept({ address: '127.0.0.1', port: request.port, family: 'IPv4' });
      side.start(stream);
    });
  }
}
