// What the rest of the project may use of the agent.

export { type Agent, startAgent } from './agent.ts';
export { type AgentLimits, agentLimits } from './limits.ts';
export { AgentMetrics } from './metrics.ts';
