// Where people keep their configuration, on each platform.

import { homedir } from 'node:os';
import { posix, win32 } from 'node:path';

type Environment = Readonly<Record<string, string | undefined>>;

/** What the commands of a dialer read where no `--config` names another: FAIRLEAD_CONFIG, or the platform's own place. */
export function clientConfigPath(
  env: Environment = process.env,
  platform: NodeJS.Platform = process.platform,
  home: string = homeOrRoot(),
): { readonly path: string; readonly wasNamed: boolean } {
  const named = env.FAIRLEAD_CONFIG;
  if (named !== undefined && named !== '') return { path: named, wasNamed: true };
  return { path: defaultPath(env, platform, home), wasNamed: false };
}

/** Node throws for a user whom nobody knows, where HOME does not say it either: in a container, or an empty chroot. */
function homeOrRoot(): string {
  try {
    return homedir();
  } catch {
    return '/';
  }
}

function defaultPath(env: Environment, platform: NodeJS.Platform, home: string): string {
  if (platform === 'win32') {
    const data = env.APPDATA || win32.join(home, 'AppData', 'Roaming');
    return win32.join(data, 'fairlead', 'config.yaml');
  }
  // The XDG specification: a path that is not absolute is to be ignored.
  const xdg = env.XDG_CONFIG_HOME ?? '';
  if (posix.isAbsolute(xdg)) return posix.join(xdg, 'fairlead', 'config.yaml');
  if (platform === 'darwin')
    return posix.join(home, 'Library', 'Application Support', 'fairlead', 'config.yaml');
  return posix.join(home, '.config', 'fairlead', 'config.yaml');
}
