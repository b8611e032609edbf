// Which build a process is, as a figure: by Prometheus' library, or on a runtime that it does not know.

import type { Counts } from './registry.ts';

interface GaugeSink {
  gauge(name: string, help: string, label: string, read: () => Counts): void;
}

/** `version` is of our own build. */
export function tellBuild(sink: GaugeSink, version: string): void {
  sink.gauge('fairlead_build_info', 'Always 1; the label tells which build this is.', 'version', () => ({
    [version]: 1,
  }));
}
