// dnsmasq as a process of a test or benchmark: what every one of them is told.

/**
 * In the foreground and by its words alone, no DNS. No pid file: all would write the same one, which each removes and makes
 * anew, and two that start at once end with "failed to open pidfile: File exists".
 */
export const DNSMASQ = [
  '--keep-in-foreground',
  '--conf-file=/dev/null',
  '--pid-file=',
  '--port=0',
  '--log-facility=-',
] as const;
