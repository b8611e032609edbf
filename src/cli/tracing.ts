// Whether dials are told to an OpenTelemetry collector: where the standard environment variables name one.

import { type DialTracer, noTracer } from '../tracing/dial-tracer.ts';
import { version } from './version.ts';

export interface Tracing {
  readonly tracer: DialTracer;
  /** Sends what is left. */
  close(): Promise<void>;
}

export async function openTracing(service: string): Promise<Tracing> {
  const { OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT, OTEL_SDK_DISABLED } = process.env;
  const isWanted = Boolean(OTEL_EXPORTER_OTLP_ENDPOINT || OTEL_EXPORTER_OTLP_TRACES_ENDPOINT);
  if (!isWanted || OTEL_SDK_DISABLED?.toLowerCase() === 'true')
    return { tracer: noTracer, close: () => Promise.resolve() };
  // What it is made of is loaded here only: no other command, and nobody without a collector, waits for it.
  const { startTracing } = await import('../tracing/otlp-tracer.ts');
  return startTracing(service, version);
}
