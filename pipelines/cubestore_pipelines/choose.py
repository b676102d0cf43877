"""Which of the candidates a plan takes: sensor by sensor, those first beside which others lie."""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import cubestore
from cubestore_pipelines import ledger, pairs
from cubestore_pipelines.acquisitions import Acquisition
from cubestore_pipelines.candidates import Candidates, existing, place_of
from cubestore_pipelines.choices import Choices
from cubestore_pipelines.coverage import Ground
from cubestore_pipelines.errors import PlanError
from cubestore_pipelines.failures import Refusal
from cubestore_pipelines.present import utc
from cubestore_pipelines.select import Selection, less_cloudy, select


class Chooser:
    """Who applies the rules: sensor after sensor, those first beside which others are wanted."""

    def __init__(
        self,
        store: str | Path,
        choices: Choices,
        candidates: Mapping[tuple[str, str], Candidates],
    ) -> None:
        self._store, self._choices, self._candidates = store, choices, candidates
        self._rules = {name: choices.selection(name) for name in choices.sensors}
        self._chosen: dict[tuple[str, str], list[Acquisition]] = {}
        self._known: dict[tuple[str, str], set[str]] = {}
        self.refused: list[Refusal] = []
        """What has none beside it of the sensors that are to lie there."""

        self._refuse_chains()

    def chosen(self, tile: str, sensor: str) -> list[Acquisition]:
        """Return the acquisitions that a cube is to hold, by time."""
        key = (tile, sensor)
        if key not in self._chosen:
            near = self._rules[sensor].near
            beside = self._beside if near else self._by_rule
            self._chosen[key] = beside(self._candidates[key], self._rules[sensor])
        return self._chosen[key]

    def _by_rule(self, one: Candidates, rule: Selection) -> list[Acquisition]:
        """Choose by a rule what also has the partners that others are to be beside it."""
        followers = [
            other
            for name, selection in self._rules.items()
            if selection.near and selection.near.sensor == one.sensor.id
            if (other := self._candidates.get((one.tile.id, name)))
        ]

        def accept(acquisition: Acquisition) -> bool:
            return all(self._partners(acquisition.time, other)[1] for other in followers)

        place = place_of(self._choices, one.tile)
        fine = self._fine(one, self._choices.max_nodata)
        found = select(fine, rule, place, accept=accept)
        if followers and (alone := len(select(fine, rule, place)) - len(found)):
            self.refused.append(_without_partner(one, followers, alone))
        return found

    def _beside(self, one: Candidates, _: Selection) -> list[Acquisition]:
        """Choose what lies beside each acquisition of another sensor."""
        partners = (self._partners(moment, one)[0] for moment in self._moments(one))
        unique = {a.item_id: a for group in partners for a in group}
        return sorted(unique.values(), key=lambda a: (a.time, a.item_id))

    def _partners(self, moment: datetime, one: Candidates) -> tuple[list[Acquisition], bool]:
        """Return what lies beside a moment, and whether it covers the place."""
        near = self._rules[one.sensor.id].near
        if near is None:
            return [], True
        fine = self._fine(one, max_nodata=None)  # parts of the place are added up
        found, covered = pairs.partners(moment, fine, near.within, one.ground)
        wanted = 1 - (self._choices.max_nodata or 0) / 100
        return found, bool(found) and covered >= min(wanted, pairs.COVERED)

    def _moments(self, one: Candidates) -> list[datetime]:
        """Return the times of the other sensor: those of this plan, else of its cube."""
        near = self._rules[one.sensor.id].near
        name = near.sensor if near else ""
        if name in self._rules:
            there = (one.tile.id, name) in self._candidates
            return [a.time for a in self.chosen(one.tile.id, name)] if there else []
        cube = existing(self._store, one.tile, cubestore.sensor(name))
        if cube is None:
            raise PlanError(
                f"There is no cube {one.tile.id} {name} beside which to choose {one.sensor.id}",
                expected=f"one, or {name} among the sensors of this build",
                remedy=f"build it first, or add --sensor {name}",
            )
        return [utc(moment) for moment in cube.open().time.values]

    def _fine(self, one: Candidates, max_nodata: float | None) -> list[Acquisition]:
        """Leave out what is too cloudy or too empty, as far as that is known beforehand."""
        known = self._measured(one)
        return [
            a
            for a in less_cloudy(one.found, self._choices.max_cloud)
            if not (max_nodata is not None and _nodata(a, one.ground) > max_nodata)
            and a.item_id not in known
        ]

    def _measured(self, one: Candidates) -> set[str]:
        """Return what an earlier build has read, and found cloudier or emptier than wanted."""
        key = one.tile.id, one.sensor.id
        if key not in self._known:
            self._known[key] = self._left_out(one)
        return self._known[key]

    def _left_out(self, one: Candidates) -> set[str]:
        limits = self._choices
        cube = existing(self._store, one.tile, one.sensor)
        if cube is None or (limits.max_measured_cloud, limits.max_measured_nodata) == (None, None):
            return set()
        return {
            entry.item
            for entry in ledger.left_out(cube)
            if set(one.ground.shards) == set(entry.shards)
            and entry.beyond(limits.max_measured_cloud, limits.max_measured_nodata)
        }

    def _refuse_chains(self) -> None:
        """Refuse rules that lean on one another, or on a sensor of another grid."""
        for name, rule in self._rules.items():
            if rule.near is None:
                continue
            other = cubestore.sensor(rule.near.sensor)
            leans = name == other.id or (other.id in self._rules and self._rules[other.id].near)
            if leans or other.grid != cubestore.sensor(name).grid:
                raise PlanError(
                    f"{name} is to be chosen near {other.id}",
                    expected="a sensor of the same grid that is chosen by a rule of its own",
                    remedy="give each its rule: --select SENSOR=RULE",
                )


def _without_partner(one: Candidates, followers: Sequence[Candidates], count: int) -> Refusal:
    names = " and ".join(follower.sensor.id for follower in followers)
    return Refusal(
        item="",
        found=f"{count} of what was to be chosen of {one.sensor.id} on {one.tile.id} has no"
        f" {names} beside it that covers the place",
        expected="a partner, within the time that near: names",
        remedy="allow more time, a wider --datetime, or gaps with --max-nodata",
        tile=one.tile.id,
        sensor=one.sensor.id,
    )


def _nodata(acquisition: Acquisition, ground: Ground) -> float:
    """Return the percent without data: as the provider tells, else by the footprints."""
    if not math.isnan(acquisition.nodata_cover):
        return acquisition.nodata_cover
    share = ground.covered(scene.footprint for scene in acquisition.scenes)
    return 0.0 if math.isnan(share) else 100 * (1 - share)
