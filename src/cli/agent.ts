// `fairlead agent`: serves a node until it is told to stop, then lets open streams finish. With --listen it is the way
// back, too: local ports whose connections another node's agent makes.

import { type Command, Option } from 'commander';
import { type Agent, type AgentLimits, AgentMetrics, agentLimits, startAgent } from '../agent/index.ts';
import { openAuditFile } from '../files/audit-log.ts';
import { credentialEndsAt } from '../link/credential-expiry.ts';
import { tellCredentialExpiry } from '../metrics/expiry.ts';
import { type MetricsListener, serveMetrics } from '../metrics/listener.ts';
import {
  type ForwardSpec,
  formatAddress,
  type HostPort,
  parseListen,
  parseNode,
  parseReverse,
} from './address.ts';
import type { LiveKeys } from './config/reload.ts';
import { addBrokerOptions, brokerAccess } from './credentials.ts';
import { parseSeconds } from './duration.ts';
import { addE2eAgentOptions, e2eServing } from './e2e-options.ts';
import { type Labels, parseLabel } from './label.ts';
import { addLimitOptions, limitsGiven } from './limit-options.ts';
import {
  type AuditOptions,
  addAuditOption,
  addLogOption,
  createLog,
  type LogOptions,
  liveLogLevel,
} from './log.ts';
import { openReverse, type ReverseOptions } from './reverse.ts';
import { ServiceManager } from './service-manager.ts';
import { firstSignal, whenHungUp } from './signals.ts';
import { openTracing } from './tracing.ts';
import { version } from './version.ts';

interface AgentCommandOptions extends ReverseOptions, AuditOptions, LogOptions, Partial<AgentLimits> {
  readonly node: string;
  readonly allow: string[];
  readonly route?: string[];
  readonly label?: Labels;
  readonly instance?: string;
  readonly drain: number;
  readonly metrics?: HostPort;
}

export function addAgentCommand(program: Command): void {
  const command = program
    .command('agent')
    .description('Serves a node: connects dialers to those targets that --allow names, and to nothing else.')
    .requiredOption('--node <name>', 'the name that dialers use', parseNode)
    .requiredOption(
      '--allow <host:port...>',
      'what dialers may reach, repeatable: HOST:PORT, CIDR:PORT, HOST:FROM-TO, "*" for any host or port; unix:/PATH, "*" at its end for any name; ";sub=NAME" after it: for that principal only; ";key=NAME": for that dialer\'s verified key only (--e2e-peers)',
    )
    .option(
      '--route <name...>',
      'what else this node serves, repeatable: a host name, an address, a CIDR or "default"; its token must grant it',
    )
    .option(
      '--label <key=value...>',
      'what lists and the status page show of this node, repeatable: "site=berlin"; at most 16; they grant nothing',
      parseLabel,
    )
    .option(
      '--listen <[bind:]port=node:host:port>',
      'the way back, repeatable: listen here (on 127.0.0.1 by default; port 0 picks a free one) for a target that the agent of NODE reaches',
      (text: string, before: ForwardSpec[] = []) => [...before, parseReverse(text)],
    )
    .option(
      '--listen-token-file <file>',
      'file that holds the dial token for --listen (or FAIRLEAD_LISTEN_TOKEN_FILE)',
    )
    .option('--instance <name>', 'tells apart agents of one node; default: random')
    .addOption(
      new Option('--drain <seconds>', 'how long open streams may go on after SIGTERM')
        .argParser(parseSeconds)
        .default(30),
    )
    .option(
      '--metrics <address>',
      'HOST:PORT to serve /metrics on, to whoever asks (default: nowhere)',
      parseListen,
    )
    .addHelpText(
      'after',
      [
        '',
        'Names are resolved here, and the address that comes out must be allowed too. The name of the node itself is',
        'this machine (127.0.0.1, then ::1). The link-local range (cloud metadata) is refused unless it is named.',
        'On SIGTERM or SIGINT it takes no new streams and lets open ones finish; a second signal ends it at once.',
        'The ports of --listen are open before it registers: one that cannot be had ends it.',
        '',
        'Examples:',
        '  fairlead agent --broker wss://broker.example.com --node edge-1 --token-file edge-1.token \\',
        '      --allow 127.0.0.1:22 --allow 10.0.0.0/24:8000-8999',
        '  fairlead agent … --node "$NODE_NAME" --route default --allow "$NODE_NAME:10250" --allow "10.96.0.0/12:*"',
        '  fairlead agent … --listen 6443=control-plane:127.0.0.1:6443 --listen-token-file way-back.token',
        '  fairlead agent … --allow "127.0.0.1:22;sub=ops-*" --audit-log /var/log/fairlead-audit.jsonl',
        '  fairlead agent … --allow "127.0.0.1:22;key=alice" --e2e-key edge-1.pem --e2e-peers dialers --e2e-require',
      ].join('\n'),
    );
  addBrokerOptions(command);
  addE2eAgentOptions(command);
  addAuditOption(command);
  addLimitOptions(command, agentLimits);
  addLogOption(command).action(runAgent);
}

async function runAgent(options: AgentCommandOptions, command: Command): Promise<void> {
  const log = await createLog(options);
  const access = await brokerAccess(options, log);
  const e2e = await e2eServing(options, log);
  const audit = options.auditLog === undefined ? undefined : openAuditFile(options.auditLog, log);
  const tracing = await openTracing('fairlead-agent');
  const stop = new AbortController();
  let serving: Agent | undefined;
  let { allow } = options;
  const live: LiveKeys = {
    ...liveLogLevel(log),
    allow: (rules) => {
      serving?.replaceAllow(rules as string[]);
      allow = rules as string[];
    },
  };
  const manager = new ServiceManager();
  const told = firstSignal(await whenHungUp(command, live, log, manager)).finally(() => stop.abort());
  // Before the agent registers: whoever sees the node knows that its ports are open.
  const listeners = await openReverse(options, log);
  const meter = options.metrics === undefined ? undefined : new AgentMetrics(version);
  let metrics: MetricsListener | undefined;
  try {
    if (meter !== undefined && options.metrics !== undefined) {
      tellCredentialExpiry(meter.metrics, () => credentialEndsAt(access));
      metrics = await serveMetrics(options.metrics, meter.metrics);
    }
    const agent = await startAgent({
      ...access,
      ...e2e,
      node: options.node,
      allow: options.allow,
      version,
      log,
      tracer: tracing.tracer,
      signal: stop.signal,
      ...limitsGiven(agentLimits, options),
      ...(meter === undefined ? {} : { meter }),
      ...(audit === undefined ? {} : { audit }),
      ...(options.label === undefined ? {} : { labels: options.label }),
      ...(options.route === undefined ? {} : { routes: options.route }),
      ...(options.instance === undefined ? {} : { instance: options.instance }),
    }).catch((error: unknown) => {
      // Told to stop while it waited for the broker: nothing was begun, so nothing has failed.
      if (stop.signal.aborted) return undefined;
      throw error;
    });
    if (agent === undefined) return;
    serving = agent;
    // It may have changed while the broker was waited for.
    if (allow !== options.allow) agent.replaceAllow(allow);
    meter?.watch(agent);
    const listen = [...listeners.addresses];
    if (metrics !== undefined) listen.push(formatAddress(metrics.address.address, metrics.address.port));
    log.info({ event: 'ready', listen, node: agent.node, instance: agent.instance }, 'ready');
    manager.ready(`serving the node ${agent.node}`);
    const signal = await told;
    const drainMs = options.drain * 1000;
    const drained = Promise.all([agent.drain(drainMs), listeners.drain(drainMs)]);
    // Once it is so: who reads this line may count on it.
    manager.stopping();
    log.info({ event: 'stopping', signal, seconds: options.drain }, 'draining');
    await drained;
  } finally {
    await Promise.all([listeners.close(), metrics?.close(), tracing.close()]);
  }
}
