// The agent's files at a boot host, by processor: kernel, initramfs, and the two as one program of UEFI.

/** Processors that an agent is built for, as Node calls them. */
export const AGENT_ARCHITECTURES = ['x64', 'arm64'] as const;
export type AgentArchitecture = (typeof AGENT_ARCHITECTURES)[number];

export interface AgentFiles {
  readonly kernel: string;
  readonly initramfs: string;
  /** As one program that nobody has signed. */
  readonly uki: string;
  /** The serial line that boards of this kind have, as the kernel's command line names it. */
  readonly console: string;
}

export function agentFiles(architecture: AgentArchitecture): AgentFiles {
  const suffix = architecture === 'x64' ? '' : `-${architecture}`;
  return {
    kernel: `vmlinuz${suffix}`,
    initramfs: `initramfs${suffix}.img`,
    uki: `peerboot-${architecture}.efi`,
    console: architecture === 'x64' ? 'ttyS0,115200' : 'ttyAMA0,115200',
  };
}

/** By what iPXE calls `buildarch`. A BIOS's is `i386` on x64 machines too, and 2019's says nothing else of the processor. */
export function agentArchitecture(buildarch: string | undefined): AgentArchitecture {
  return buildarch === 'arm64' ? 'arm64' : 'x64';
}
