// Spans of dials, sent to a collector over OTLP/HTTP. Loaded only where one is configured: it is larger than all of the
// agent.

import {
  type Context,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { defaultResource, resourceFromAttributes } from '@opentelemetry/resources';
import { BatchSpanProcessor, NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import type { DialTracer } from './dial-tracer.ts';

/** How long the last spans may take to be sent at the end, in ms. */
const exportTimeoutMs = 2000;

export interface RunningTracer {
  readonly tracer: DialTracer;
  /** Sends what is left. Never fails: a collector that is away is no reason for it. */
  close(): Promise<void>;
}

/** The rest is said by the standard environment variables. @param service where OTEL_SERVICE_NAME names none */
export function startTracing(service: string, version: string): RunningTracer {
  const name = process.env.OTEL_SERVICE_NAME || service;
  const provider = new NodeTracerProvider({
    resource: defaultResource().merge(
      resourceFromAttributes({ 'service.name': name, 'service.version': version }),
    ),
    spanProcessors: [
      new BatchSpanProcessor(new OTLPTraceExporter({ timeoutMillis: exportTimeoutMs }), {
        exportTimeoutMillis: exportTimeoutMs,
      }),
    ],
  });
  const tracer = provider.getTracer('fairlead', version);
  return {
    tracer: {
      begin(title, kind, traceparent, { host, port, node, id, session }) {
        const attributes = {
          'server.address': host,
          // A UNIX socket has none.
          ...(port === 0 ? {} : { 'server.port': port }),
          ...(node === undefined ? {} : { 'fairlead.node': node }),
          ...(id === undefined ? {} : { 'fairlead.request': id }),
          ...(session === undefined ? {} : { 'fairlead.session': session }),
        };
        const spanKind = kind === 'client' ? SpanKind.CLIENT : SpanKind.SERVER;
        const span = tracer.startSpan(title, { kind: spanKind, attributes }, contextOf(traceparent));
        return {
          traceparent: traceparentOf(span),
          end(errorType) {
            if (errorType !== undefined) {
              span.setAttribute('error.type', errorType);
              span.setStatus({ code: SpanStatusCode.ERROR });
            }
            span.end();
          },
        };
      },
    },
    close: () => provider.shutdown().catch(() => {}),
  };
}

/** `traceparent` is well-formed, as all are that came from a peer. */
function contextOf(traceparent: string | undefined): Context {
  if (traceparent === undefined) return ROOT_CONTEXT;
  const [, traceId = '', spanId = '', flags = ''] = traceparent.split('-');
  const traceFlags = Number.parseInt(flags, 16) & TraceFlags.SAMPLED;
  return trace.setSpanContext(ROOT_CONTEXT, { traceId, spanId, traceFlags, isRemote: true });
}

function traceparentOf(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}
