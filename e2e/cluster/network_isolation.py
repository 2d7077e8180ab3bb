"""Keeps a cluster's traffic on the machine: pods and nodes that dial outside are refused at once, by rule."""

import os

from e2e.cluster.shell import ClusterError, output, step, succeeds

NETWORK = "analytics-e2e"
BRIDGE = "br-analytics"
SERVICE_CIDR = "10.96.0.0/16"
OUTSIDE = "192.0.2.1"
"""An address for documentation: nobody has it, so that even without the rules nobody is disturbed."""

_LEAVING = ("-i", BRIDGE, "!", "-o", BRIDGE)


def applies() -> bool:
    """Whether the cluster that is there was made with its network isolated."""
    return succeeds("docker", "network", "inspect", NETWORK)


def host() -> None:
    """Before a node starts: what enters from the cluster's bridge may not leave by another interface."""
    if not applies():
        bridge = ("--opt", f"com.docker.network.bridge.name={BRIDGE}", "--opt", "com.docker.network.driver.mtu=1500")
        output("docker", "network", "create", *bridge, NETWORK)
    if os.geteuid() != 0:
        raise ClusterError("iptables: only root can isolate the cluster's network; run as root, or give CONTEXT=name")
    _reject("iptables", chain="DOCKER-USER", match=_LEAVING, insert=True)


def node(name: str) -> None:
    """In the node: what still goes to a service's address after translation has no endpoint, and nowhere to go."""
    for chain in ("OUTPUT", "FORWARD"):
        _reject("docker", "exec", name, "iptables", chain=chain, match=("-d", SERVICE_CIDR), insert=False)


def check(name: str) -> None:
    """Raises ClusterError unless an outside address is refused from the node, and at once."""
    with step(f"isolated: {OUTSIDE} is refused from the node"):
        dial = ("docker", "exec", name, "bash", "-c", f"exec 3<>/dev/tcp/{OUTSIDE}/80")
        try:
            output(*dial, seconds=5)
        except ClusterError as error:
            if "refused" in str(error):
                return
        raise ClusterError("the node can dial outside this machine; see: iptables -S DOCKER-USER")


def remove() -> None:
    """The host's rules and the network, as far as they are there."""
    for protocol in (("-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset"), ("-j", "REJECT")):
        succeeds("iptables", "-D", "DOCKER-USER", *_LEAVING, *protocol)
    succeeds("docker", "network", "rm", NETWORK)


def _reject(*command: str, chain: str, match: tuple[str, ...], insert: bool) -> None:
    """TCP is reset, the rest is refused; a rule that is there is not added again."""
    rules = [("-p", "tcp", "-j", "REJECT", "--reject-with", "tcp-reset"), ("-j", "REJECT")]
    for rule in reversed(rules) if insert else rules:
        if not succeeds(*command, "-C", chain, *match, *rule):
            output(*command, "-I" if insert else "-A", chain, *match, *rule)
