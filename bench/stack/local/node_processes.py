"""Nodes as processes of this machine: nginx, or a server of bytes, on a listening socket made before it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Sequence
from pathlib import Path

from bench.placement import Address
from bench.stack import nodes
from bench.stack.binaries import Binary, find_scripted_nginx
from bench.stack.local.ports import address_of, listen
from bench.stack.placing import wished_port
from bench.stack.processes import Process
from bench.stack.protocol import Component, NodeSpec, StackSpec
from bench.stack.runs import RunFolder


class NodeProcesses:
    """Starts the nodes of one stack; who calls waits until they answer."""

    def __init__(self, spec: StackSpec, folder: RunFolder, nginx: Binary) -> None:
        self._spec = spec
        self._folder = folder
        self._nginx = nginx

    def start(self, node: NodeSpec) -> tuple[Process, Address]:
        """Write what *node* reads and start it, on the port that is wished for or any.

        Raises:
            StackError: the port is taken, certificates are missing, or a program that the node needs.
        """
        port = wished_port(self._spec, node.name, [node.plays], node.plays)
        opened: socket.socket
        with contextlib.closing(listen(port, node.name)) as opened:
            address = address_of(opened)
            if node.behaviour.is_http:
                nodes.write_node(
                    self._files(node),
                    node,
                    address=address,
                    certificates=self._certificates(node),
                    binary=self._program(node),
                )
            return self._launch(node, [opened.fileno()], nodes.inherit(opened.fileno())), address

    def start_again(self, node: NodeSpec, address: Address) -> Process:
        """Start *node*, whose process has ended, on the files and at the address that it had.

        Raises:
            StackError: as ``start``.
        """
        if node.behaviour.is_http:
            # nginx binds the address that its configuration names.
            return self._launch(node, [], {})
        opened: socket.socket
        with contextlib.closing(listen(address[1], node.name)) as opened:
            return self._launch(node, [opened.fileno()], {})

    def component(self, node: NodeSpec, process: Process, address: Address) -> Component:
        """What a node that answers is to the rest of the suite."""
        files = self._files(node)
        return Component(
            name=node.name,
            kind="nginx" if node.behaviour.is_http else "bytes",
            role="node",
            pid=process.pid,
            addresses=dict.fromkeys(node.every, address),
            admin_url=None,
            log=files.log,
            access_log=files.access_log,
            tls=node.tls,
            protocol=node.behaviour.protocol,
            config=files.config,
        )

    def _launch(self, node: NodeSpec, inherited: Sequence[int], environment: dict[str, str]) -> Process:
        files = self._files(node)
        if node.behaviour.is_http:
            command = nodes.node_command(nodes.NodeFolder(Path(node.name)), self._program(node))
        else:
            nodes.write_bytes_node(files, node, self._certificates(node), inherited[0])
            command = nodes.bytes_command(files)
        return Process(
            node.name,
            command,
            log=files.log,
            folder=self._folder,
            environment=environment | nodes.code_path(),
            inherited=inherited,
        )

    def _files(self, node: NodeSpec) -> nodes.NodeFolder:
        return nodes.NodeFolder(self._folder.path / node.name)

    def _certificates(self, node: NodeSpec) -> Path:
        return node.certificates or self._spec.certificates

    def _program(self, node: NodeSpec) -> Binary:
        """The nginx that runs *node*: the usual one, unless it lacks what the node's behaviour needs."""
        if node.behaviour.delays and not self._nginx.runs_scripts:
            return find_scripted_nginx()
        return self._nginx
