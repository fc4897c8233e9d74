# iptables, ip and tc, for the containers that set up a pod's network and end: redirection of what the pod sends,
# delay and loss on a node's network. `egress-bench images build` makes rootfs.tar.
FROM scratch
ADD rootfs.tar /
ENTRYPOINT ["/usr/sbin/iptables-restore"]
