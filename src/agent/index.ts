// What the rest of the project may use of the agent.

export { startAgent } from './agent.ts';
