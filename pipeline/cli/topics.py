"""Command `topics`: what the articles of a job are about, and what a person says of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pipeline.cli import output
from pipeline.cli.group import AS_JSON, QUICKSTART, Job, job_command

if TYPE_CHECKING:
    from pipeline.job.workspace import Workspace

_WIDTH = 100  # characters of a line of words


@job_command("topics", "Group the filtered articles into topics that keep their ids, and show them.",
             f"topics {QUICKSTART}\n  labelmill topics {QUICKSTART} --topic 3")  # fmt: skip
@click.option("--topic", type=int, metavar="ID", help="Everything of one topic: all its words, months, articles.")
@click.option("--map", "picture", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE",
              help="Draw all articles: .html is a page that opens from disk, .svg a drawing.")  # fmt: skip
@click.option("--diff", is_flag=True, help="Which topics were born, died, were split or merged in the last round.")
@click.option("--merge", metavar="ID,ID", help="Make these topics one, for good.")
@click.option("--rename", nargs=2, metavar="ID NAME", help="Give a topic a name, for good.")
@click.option("--quote", is_flag=True, help="What vectors and names by a model will cost, before they are paid.")
@click.option("--refit", is_flag=True, help="Group all articles anew; topics that go on keep their ids.")
@AS_JSON
def topics(
    job: Job, topic: int | None, picture: Path | None, diff: bool, merge: str | None, rename: tuple[str, str] | None,
    quote: bool, refit: bool, as_json: bool,
) -> None:  # fmt: skip
    from pipeline import runner
    from pipeline.commands import topics

    work = job.workspace()
    if quote:
        if merge or rename or picture:
            raise click.UsageError("--quote only tells a price; give --merge, --rename and --map without it")
        return _quote(work, refit, as_json)
    runner.run_topics(work, refit)
    if merge or rename:
        with work.locked():
            topics.change_by_hand(
                work, _numbers(merge) if merge else [], (_number(rename[0]), rename[1]) if rename else None
            )
    if picture:
        from pipeline.commands import topic_map

        drawn = {"map": str(picture), "articles": topic_map.write(work, picture)}
        return output.say(drawn, as_json, lambda: print(f"{picture}: {drawn['articles']:,} articles"))
    if diff:
        changes = topics.changes(work)
        return output.say(changes, as_json, lambda: _changes(changes))
    if topic is not None:
        parts = topics.one(work, topic)
        output.say(parts, as_json, lambda: _one(parts))
    else:
        report = topics.overview(work)
        output.say(report, as_json, lambda: _table(report, work))


def _quote(work: Workspace, refit: bool, as_json: bool) -> None:
    from pipeline import runner
    from pipeline.commands import topic_costs
    from pipeline.job.run_options import RunOptions

    runner.run(work, RunOptions(last="filter"))
    estimate = topic_costs.quote(work, lambda: runner.run_topics(work, refit, named=False))
    output.say(estimate.as_dict(), as_json, lambda: output.topic_quote(estimate))


def _numbers(given: str) -> list[int]:
    return [_number(part) for part in given.split(",")]


def _number(given: str) -> int:
    try:
        return int(given)
    except ValueError:
        raise click.UsageError(f"{given!r} is no topic's id; write --merge 3,7 and --rename 3 'Ferries'") from None


def _changes(changes: dict[str, Any]) -> None:
    print(f"round {changes['round']}: {changes['kind']}")
    for row in changes["born"]:
        print(f"  born    {row['id']:>4}  {row['name']}")
    for row in changes["died"]:
        print(f"  died    {row['id']:>4}  {row['name']}")
    for row in changes["split"]:
        print(f"  split   {row['id']:>4}  {row['name']}  into " + ", ".join(str(part["id"]) for part in row["into"]))
    for row in changes["merged"]:
        print(f"  merged  {row['id']:>4}  {row['name']}  of " + ", ".join(str(part["id"]) for part in row["of"]))
    for row in changes["merged_by_hand"]:
        print(f"  merged by hand  {row['id']}  {row['name']}  into {row['into']}")
    if not any(changes[kind] for kind in ("born", "died", "split", "merged", "merged_by_hand")):
        print("  no topic was born, died, was split or merged")


def _table(report: dict[str, Any], work: Workspace) -> None:
    print(f"{'id':>4}{'articles':>10}  {'name':40} words")
    for row in report["topics"]:
        words = ", ".join(row["words"])[:_WIDTH]
        print(f"{row['id']:>4}{row['size']:>10,}  {_fitted(row['name'], 40)} {words}")
    without = ", ".join(f"{reason} {count:,}" for reason, count in report["without"].items())
    print(f"{report['articles']:,} articles, {len(report['topics']):,} topics"
          + (f"; without a topic: {without}" if without else ""))  # fmt: skip
    broad = {row["broad_id"]: row["broad_name"] for row in report["topics"]}
    if len(broad) < len(report["topics"]):
        print("under: " + "; ".join(f"{name} ({_ids_under(report, number)})" for number, name in broad.items()))
    print(f"the tables: {work.topic_table.path}")


def _ids_under(report: dict[str, Any], broad: int) -> str:
    return " ".join(str(row["id"]) for row in report["topics"] if row["broad_id"] == broad)


def _fitted(text: str, width: int) -> str:
    """Return a text cut or filled to a width on the screen, where a Hangul or Han character takes two."""
    from unicodedata import east_asian_width

    shown, taken = "", 0
    for character in text:
        own = 2 if east_asian_width(character) in "WF" else 1
        if taken + own > width:
            break
        shown, taken = shown + character, taken + own
    return shown + " " * (width - taken)


def _one(parts: dict[str, Any]) -> None:
    print(f"{parts['id']}  {parts['name']}  ({parts['size']:,} articles, named by {parts['named_by']})")
    print(f"under: {parts['broad_id']}  {parts['broad_name']}")
    for name, title in (("words", "c-TF-IDF"), ("words_mmr", "MMR"), ("words_central", "central")):
        print(f"{title:>9}: {', '.join(parts[name])}")
    if parts["months"]:
        print("   months: " + ", ".join(f"{month} {count:,}" for month, count in parts["months"].items()))
    for article in parts["articles"]:
        print(f"  {article['similarity']:.2f}  {article['id']}  {article['title'] or ''}")
