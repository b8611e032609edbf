// What a client of the broker tells whoever counts. Nothing that a peer chooses gets here.

/** One session with an agent: read when somebody asks. */
export interface SessionFigures {
  readonly streamCount: number;
  /** Received and not yet consumed, over all streams. */
  readonly bufferedBytes: number;
  /** Sent and not yet acknowledged, over all streams. */
  readonly inFlightBytes: number;
  /** They only grow. */
  readonly counters: {
    /** Times that both ends told each other what they had received. */
    readonly resyncs: number;
    /** Times that bytes came whose predecessors had not. */
    readonly gaps: number;
    /** Frames that brought what was there already. */
    readonly duplicates: number;
    readonly resentBytes: number;
  };
}

/** Hears what happens in a client, to count it. */
export interface ClientMeter {
  /** Read its figures until {@link sessionEnded}. */
  sessionBegan(session: SessionFigures): void;
  /** Its figures stand still from now on. */
  sessionEnded(session: SessionFigures): void;
  /** A session has its agent again, which it was without for so long. */
  sessionResumed(seconds: number): void;
  /** A link is up, or one is lost. */
  linkChanged(change: 1 | -1): void;
}

export const noMeter: ClientMeter = {
  sessionBegan() {},
  sessionEnded() {},
  sessionResumed() {},
  linkChanged() {},
};
