// Signs of life that one session asks of its peer and gives it, and what they say of the path's round trip.

import { frameTypes } from './frame.ts';
import type { MessageWriter } from './message-writer.ts';
import type { OutboundEvents } from './outbound.ts';
import type { PathWindow } from './path-window.ts';

/** Of a path that carries bulk. */
const roundTripSamples = 10;
const nothing = new Uint8Array();

export class Pings {
  private readonly events: OutboundEvents;
  private readonly window: PathWindow;
  private pingDue = false;
  private sentMs = -1;
  private number = 0;
  private pongDue = -1;
  private samplesLeft = 0;

  constructor(window: PathWindow, events: OutboundEvents) {
    this.window = window;
    this.events = events;
  }

  owePing(): void {
    this.pingDue = true;
    this.events.outputReady();
  }

  /** Measures the round trip of a path that is new: once now, and more often as soon as bulk goes over it. */
  measureRoundTrip(): void {
    this.samplesLeft = roundTripSamples;
    this.owePing();
  }

  /** Bulk goes out. What it may have in flight goes by the round trip, and the first PING found cold caches. */
  bulkGoes(): void {
    if (this.samplesLeft > 0 && this.sentMs < 0 && !this.pingDue) this.owePing();
  }

  owePong(argument: number): void {
    this.pongDue = argument;
    this.events.outputReady();
  }

  pongReceived(argument: number): void {
    if (argument !== this.number || this.sentMs < 0) return;
    const rttMs = Math.max(0.01, this.events.now() - this.sentMs);
    this.window.sample(rttMs);
    this.sentMs = -1;
    this.samplesLeft -= 1;
    this.events.ponged(rttMs);
  }

  write(writer: MessageWriter): void {
    if (this.pongDue >= 0) {
      writer.frame(frameTypes.PONG, 0, this.pongDue, nothing);
      this.pongDue = -1;
    }
    if (this.pingDue) {
      this.pingDue = false;
      this.number += 1;
      this.sentMs = this.events.now();
      writer.frame(frameTypes.PING, 0, this.number, nothing);
    }
  }
}
