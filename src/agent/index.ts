// What the rest of the project may use of the agent.

export { type Agent, startAgent } from './agent.ts';
export type { AgentLog, AgentOptions } from './options.ts';
