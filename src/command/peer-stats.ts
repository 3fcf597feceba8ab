// Figures of the services as the metrics want them: counts with labels.
import type { DhcpService } from '../service/dhcp-service.ts';
import type { Doctor } from '../service/doctor.ts';
import type { Count, StatsSuppliers } from '../service/http-ports.ts';
import type { WanLedger } from '../service/ledger.ts';
import type { TftpService } from '../service/tftp-service.ts';

export function statsOf(parts: {
  readonly dhcp: DhcpService;
  readonly tftp: TftpService;
  readonly doctor: Doctor;
  readonly ledger: WanLedger;
}): StatsSuppliers {
  const counts = (label: string, record: Readonly<Record<string, number>>): Count[] =>
    Object.entries(record).map(([name, value]) => ({ labels: { [label]: name }, value }));
  return {
    wanBytes: () => parts.ledger.counts(),
    dhcpPackets: () => {
      const { replies, sendErrors, ignored } = parts.dhcp.stats();
      return [
        { labels: { outcome: 'reply', reason: '' }, value: replies },
        { labels: { outcome: 'send-error', reason: '' }, value: sendErrors },
        ...counts('reason', ignored as Record<string, number>).map(({ labels, value }) => ({
          labels: { outcome: 'ignored', ...labels },
          value,
        })),
      ];
    },
    tftpTransfers: () => counts('outcome', parts.tftp.stats().outcomes),
    bootAttempts: () => counts('verdict', parts.doctor.counts()),
  };
}
