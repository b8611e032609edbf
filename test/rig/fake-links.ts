// Links for a keeper that are told what becomes of them, and a listener of the keeper's that wants to hear of nothing.

import type { LinkHandler, LinkMaker } from '../../src/link/broker-link.ts';
import type { KeeperHandler } from '../../src/link/keeper.ts';

/** `opened` is told of each link that is asked for, `closed` of each that the keeper ends, the first being 1. */
export function fakeLinks(
  opened: (handler: LinkHandler) => void,
  closed: (nth: number) => void = () => {},
): LinkMaker {
  let count = 0;
  return {
    access: { url: 'wss://broker.example.com', token: 'a.b.c' },
    open(_path, _query, handler) {
      count += 1;
      const nth = count;
      opened(handler);
      return {
        bufferedBytes: 0,
        messagesAreDear: false,
        credentials: undefined,
        send() {},
        sendControl() {},
        close: () => closed(nth),
      };
    },
  };
}

/** Never gives up. */
export const patientListener: KeeperHandler = {
  up() {},
  down: () => true,
  control() {},
  message() {},
  drained() {},
};
