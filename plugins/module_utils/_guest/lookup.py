# Copyright (c) 2026, steward.proxmox contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding a guest: by id, by name, on a node or anywhere. What cannot be seen is never taken for what is not there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._errors import ApiError, BadInput, NotFound, PermissionDenied, Refused, Unreachable
from .._names import HOSTNAME, NODE, check_vmid
from .._privileges import Need, held
from .._world import World

RESOURCES = "/cluster/resources"
_SIZE = re.compile(r"(?<=,size=)[^,]+")
#: types of guests, and the key of their configuration that holds the name
NAME_KEYS = {"lxc": "hostname", "qemu": "name"}
KINDS = tuple(NAME_KEYS)
_MOVE_HINT = "Give node: {}, or leave node out; vm and lxc move a guest where migrate is given"


@dataclass(frozen=True)
class Guest:
    """Where a guest is (or would be). `config` is None where it does not exist.

    `config` is what was written, with the changes that wait for a restart; `pending` maps the keys that wait to the
    values that the running guest has (None: none yet).
    """

    kind: str
    vmid: int
    node: str
    config: Mapping[str, Any] | None = None
    pending: Mapping[str, Any] = field(default_factory=dict)

    @property
    def target(self) -> str:
        return f"{self.kind}/{self.vmid}"

    @property
    def path(self) -> str:
        return guest_path(self.kind, self.node, self.vmid)

    @property
    def exists(self) -> bool:
        return self.config is not None

    @property
    def name(self) -> str:
        return str((self.config or {}).get(NAME_KEYS[self.kind]) or "")


def guest_path(kind: str, node: str, vmid: int | str) -> str:
    return f"/nodes/{node}/{kind}/{vmid}"


def without_digest(config: Mapping[str, Any] | None) -> dict[str, Any]:
    """A configuration without its digest, which is no part of it."""
    return {key: value for key, value in (config or {}).items() if key != "digest"}


def config_now(path: str) -> Callable[[Any], dict[str, Any]]:
    """What a module returns once its steps are done: the configuration of the guest at `path`, and what waits."""

    def read(reader: Any) -> dict[str, Any]:
        try:
            config, pending = from_rows(reader.get(f"{path}/pending"))
        except NotFound:  # the HA manager took it to another node meanwhile: what was planned stands
            return {}
        return {"config": without_digest(config), "pending": sorted(pending)}

    return read


def from_rows(rows: Iterable[Mapping[str, Any]]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The configuration behind the rows of `…/pending` (value now, value after a restart), and what waits."""
    config: dict[str, Any] = {}
    waiting: dict[str, Any] = {}
    for row in rows:
        key = row["key"]
        if row.get("delete") or "pending" in row:
            waiting[key] = row.get("value")
        if not row.get("delete") and ("pending" in row or "value" in row):
            config[key] = _written(row)
    return config, waiting


def _written(row: Mapping[str, Any]) -> Any:
    """What was written; but a volume grows at once, whatever else of it waits."""
    if "pending" not in row or "value" not in row:
        return row.get("pending", row.get("value"))
    text, now = str(row["pending"]), str(row["value"])
    size = _SIZE.search(now)
    same_volume = text.partition(",")[0] == now.partition(",")[0]
    return _SIZE.sub(size[0], text) if size and same_volume else row["pending"]


def to_rows(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A configuration in which nothing waits, as `…/pending` lists it."""
    return [{"key": key, "value": value} for key, value in config.items()]


def resources(world: World) -> list[dict[str, Any]]:
    """The guests of the cluster that the credential may see."""
    return [row for row in world.get(RESOURCES, type="vm") if row.get("type") in KINDS]


def online_nodes(world: World) -> list[str]:
    return sorted(row["node"] for row in world.get("/nodes") if row.get("status") == "online")


def find(
    world: World, kind: str, vmid: int | None, name: str | None, node: str | None, moves: bool = False
) -> Guest | None:
    """The guest that the options mean, or None where there is certainly none.

    With vmid and node this is one request. `moves`: the node says where the guest shall be, so it may be on another.
    Raises BadInput on contradictions and PermissionDenied or Refused where the credential cannot see enough to say.
    """
    if node:
        NODE.check("node", node)
    if vmid is not None:
        check_vmid("vmid", vmid)
    elif name:
        HOSTNAME.check("name", name)
        vmid, found_on = _by_name(world, kind, name)
        if vmid is None:
            return None
        if node and node != found_on and not moves:
            raise BadInput(
                f"{kind} '{name}' ({vmid}) is on node {found_on}, not on {node}", _MOVE_HINT.format(found_on)
            )
        node = found_on
    else:
        raise BadInput("Neither vmid nor name is given", "Give one of them")
    if node:
        try:
            guest = _on_node(world, kind, vmid, node)
        except Unreachable:
            if not moves:
                raise
            guest = None
        if guest:
            return guest
    return _anywhere(world, kind, vmid, node, moves)


def require(world: World, kind: str | None, vmid: int | None, name: str | None, node: str | None) -> Guest:
    """The guest that the options mean, of the given kind or of either; NotFound where there is none."""
    if kind is None and vmid is not None:
        row = next((row for row in resources(world) if row["vmid"] == vmid), None)
        kind, node = (row["type"], node or row["node"]) if row else ("lxc", node)
    elif kind is None:
        rows = [row for row in resources(world) if row.get("name") == name]
        if len(rows) > 1:
            raise BadInput(f"{len(rows)} guests are called '{name}': {_ids(rows)}", "Give vmid")
        kind = rows[0]["type"] if rows else "lxc"
    guest = find(world, kind, vmid, name, node)
    if guest is None:
        raise NotFound(
            f"No guest {vmid if vmid is not None else repr(name)} exists" + (f" on node {node}" if node else "")
        )
    return guest


def read_guest(world: World, kind: str, vmid: int, node: str) -> Guest | None:
    """The guest on this node: one request tells its configuration and what of it waits for a restart."""
    rows = world.find(f"{guest_path(kind, node, vmid)}/pending")
    return None if rows is None else Guest(kind, vmid, node, *from_rows(rows))


def _on_node(world: World, kind: str, vmid: int, node: str) -> Guest | None:
    try:
        return read_guest(world, kind, vmid, node)
    except PermissionDenied:
        if _is_free(world, vmid):
            return None
        raise
    except ApiError as error:
        if "hostname lookup" in error.message:  # how the server says that it does not know the node
            known = ", ".join(sorted(row["node"] for row in world.get("/nodes"))) or "none visible"
            raise BadInput(f"node: '{node}' is not a node of this cluster; it has: {known}") from None
        raise


def _is_free(world: World, vmid: int) -> bool:
    """Is the id certainly not taken? Whoever may not see a guest may still ask this."""
    try:
        world.get("/cluster/nextid", vmid=vmid)
    except ApiError:  # taken, or nobody knows
        return False
    return True


def _anywhere(world: World, kind: str, vmid: int, node: str | None, moves: bool) -> Guest | None:
    row = next((row for row in resources(world) if row["vmid"] == vmid), None)
    if row is None:
        if node is None:
            # an id that the list does not show may only be invisible: a read of it tells 403 from missing
            _on_node(world, kind, vmid, (online_nodes(world) or ["localhost"])[0])
        return None
    if row["type"] != kind:
        raise BadInput(f"{vmid} is a {row['type']} guest on {row['node']}, not {kind}")
    if node and row["node"] != node and not moves:
        raise BadInput(f"{kind}/{vmid} is on node {row['node']}, not on {node}", _MOVE_HINT.format(row["node"]))
    return read_guest(world, kind, vmid, row["node"])


def _by_name(world: World, kind: str, name: str) -> tuple[int | None, str | None]:
    """The id and node of the guest with this name.

    The cluster's list lags up to ten seconds behind and leaves out names of guests on nodes that are down, so before
    "there is none" is believed the nodes themselves are asked, and the credential must be able to see every guest.
    """
    rows = [row for row in resources(world) if row["type"] == kind]
    found = [row for row in rows if row.get("name") == name]
    if not found:
        hidden = [row for row in rows if row.get("status") == "unknown"]
        if hidden:
            raise Refused(
                f"Whether a {kind} called '{name}' exists is unknown: {_ids(hidden)} are on nodes that do not answer",
                "Give vmid",
            )
        world.relies_on(Need("/vms/*", ("VM.Audit",)))
        if held(world.permissions() if not world.is_root else None, Need("/vms", ("VM.Audit",))) is False:
            raise Refused(
                f"Whether a {kind} called '{name}' exists is unknown: {world.identity} may not see every guest",
                "Give vmid, or grant VM.Audit on /vms",
            )
        for online in online_nodes(world):
            found += [
                {**row, "node": online} for row in world.get(f"/nodes/{online}/{kind}") if row.get("name") == name
            ]
    if len(found) > 1:
        raise BadInput(f"{len(found)} {kind} guests are called '{name}': {_ids(found)}", "Give vmid")
    return (int(found[0]["vmid"]), found[0]["node"]) if found else (None, None)


def twins(reader: Any, kind: str, name: str, vmid: int) -> list[str]:
    """The other guests of this kind and name, as the nodes themselves list them: the cluster's list lags behind."""
    nodes = sorted(row["node"] for row in reader.get("/nodes") if row.get("status") == "online")
    return [
        f"{kind}/{row['vmid']} on {node}"
        for node in nodes
        for row in reader.get(f"/nodes/{node}/{kind}")
        if row.get("name") == name and int(row["vmid"]) != vmid
    ]


def free_vmid(world: World) -> int:
    """The next id that neither the cluster nor this run uses."""
    vmid = int(world.get("/cluster/nextid"))
    taken = {int(row["vmid"]) for row in resources(world)}
    while vmid in taken:
        vmid += 1
    return vmid


def _ids(rows: list[dict[str, Any]]) -> str:
    return ", ".join(f"{row.get('type', 'lxc')}/{row['vmid']} on {row['node']}" for row in rows)
