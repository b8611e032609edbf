// What commands need of end-to-end encryption; agents and dialers take their ends from the files themselves.

export { parseIdentity, pinOf } from './identity.ts';
export {
  type E2eAgentOptions,
  type E2eDialerOptions,
  type E2eOptions,
  parseAuthorities,
} from './options.ts';
export { parsePeers } from './peers.ts';
