# The load generator: the Python that built it, Locust and what it needs. egress-bench's own code is no part of
# it: each run mounts the code that drives it. `egress-bench images build` makes rootfs.tar.
FROM scratch
ADD rootfs.tar /
ENV PYTHONHOME=/opt/python PYTHONPATH=/opt/python/packages PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOME=/tmp
USER 65534:65534
ENTRYPOINT ["/opt/python/bin/python"]
