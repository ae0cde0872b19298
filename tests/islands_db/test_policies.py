"""Every policy draws as its source says, shown by chi-square on fixed seeds."""

import math
import random
import warnings
from collections import Counter
from itertools import permutations
from statistics import median
from struct import pack

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from islands_db.island import Island
from islands_db.pool import FAILED, Entrant
from islands_db.records import Settings
from islands_db.selection import inspirations, migration, pareto, reset
from islands_db.selection.discounted import discounted
from islands_db.selection.funsearch import funsearch
from islands_db.selection.lexicase import MOST, comparable
from islands_db.selection.policies import POLICIES
from islands_db.selection.power_law import power_law
from islands_db.selection.tree_search import DEBUG_DEPTH, DEBUG_SHARE, DRAFTS, tree_search

DRAWS = 20_000


def fits(counted, expected):
    """Pearson's chi-square stays under the 1e-6 quantile (Wilson and Hilferty's formula)."""
    total = sum(counted.values())
    assert all(expected.get(key, 0) > 0 for key in counted)
    assert math.isclose(sum(expected.values()), 1)
    rare = [key for key in expected if 0 < total * expected[key] < 5]
    assert not rare, "too few draws to tell"
    cells = [(counted[key], total * share) for key, share in expected.items() if share]
    statistic = sum((seen - mean) ** 2 / mean for seen, mean in cells)
    freedom = len(cells) - 1
    if not freedom:
        return statistic < 1e-9
    spread = 2 / (9 * freedom)
    return statistic < freedom * (1 - spread + 4.75 * math.sqrt(spread)) ** 3


def drawn(choose, draws=DRAWS, seed=1):
    rng = random.Random(seed)
    return Counter(choose(rng) for _ in range(draws))


def softmax(values, temperature):
    weights = [math.exp((value - max(values)) / temperature) for value in values]
    return [weight / sum(weights) for weight in weights]


def test_the_check_itself_refuses_another_distribution():
    assert not fits(drawn(lambda rng: rng.randrange(3)), {0: 0.36, 1: 0.32, 2: 0.32})


# What all policies promise


@st.composite
def pools(draw):
    size = draw(st.integers(1, 12))

    def each(values):
        return draw(st.lists(values, min_size=size, max_size=size))

    return {
        "fitness": each(st.sampled_from([-2.5, 0.0, 0.0, 1.0, 1e9])),
        "rung": each(st.integers(0, 2)),
        "signature": each(st.integers(0, 3)),
        "length": each(st.integers(1, 500)),
        "cell": each(st.integers(0, 4)),
        "parent": each(st.integers(0, 3)),
        "tries": each(st.integers(0, 3)),
        "objectives": [[float(n), float(-n)] for n in each(st.integers(-3, 3))],
        "program": draw(st.permutations(range(1, size + 1))),
        "cases": each(st.sampled_from([[], [0.0, 1.0], [1.0, 0.0], [0.5] * 3])),
    }


@pytest.mark.parametrize("name", POLICIES)
@given(given=pools(), archived=st.booleans(), seed=st.integers(0, 99))
def test_a_policy_draws_a_slot_by_its_generator_alone(name, make, given, archived, seed):
    population = make.columns(**given)
    archive = make.columns(**given) if archived else make.columns([])
    before = {key: np.array(getattr(population, key)) for key in ("fitness", "program", "tries")}
    state = random.getstate(), np.random.get_state()[1].tobytes()
    chosen = [POLICIES[name].parent(population, archive, random.Random(seed)) for _ in range(2)]
    columns, slot = chosen[0]
    assert columns is population or columns is archive
    assert type(slot) is int
    assert 0 <= slot < len(columns)
    assert chosen[1] == (columns, slot)
    assert (random.getstate(), np.random.get_state()[1].tobytes()) == state
    for key, value in before.items():
        assert (getattr(population, key) == value).all()


# FunSearch


def test_funsearch_draws_clusters_and_lengths_as_the_paper_says(make):
    fitness = [1.0, 1.0, 1.0, 1.3, 1.3, 0.9]
    signature = [7, 7, 7, 8, 8, 0]
    length = [10, 20, 40, 5, 6, 9]
    columns = make.columns(fitness, signature=signature, length=length)
    period, start = 12, 0.8
    temperature = start * (1 - 6 / 12)
    clusters = softmax([1.0, 1.3, 0.9], temperature)
    expected = {}
    for share, slots in zip(clusters, [[0, 1, 2], [3, 4], [5]], strict=True):
        lengths = [length[slot] for slot in slots]
        relative = [-(n - min(lengths)) / (max(lengths) + 1e-6) for n in lengths]
        for slot, part in zip(slots, softmax(relative, 1.0), strict=True):
            expected[slot] = share * part
    found = drawn(lambda rng: funsearch(columns, rng, temperature=start, period=period))
    assert fits(found, expected)


@pytest.mark.parametrize(("programs", "temperature"), [(1, 0.75), (3, 0.25), (4, 1.0), (5, 0.75)])
def test_funsearch_cools_over_each_period_and_starts_again(programs, temperature, make):
    fitness = [0.1 * n for n in range(programs)]
    columns = make.columns(fitness)
    found = drawn(lambda rng: funsearch(columns, rng, temperature=1.0, period=4))
    assert fits(found, dict(enumerate(softmax(fitness, temperature))))


def test_funsearch_leaves_out_clusters_that_passed_fewer_stages(make):
    columns = make.columns([99.0, 1.0, 1.0], rung=[1, 2, 2], signature=[5, 5, 6])
    found = drawn(lambda rng: funsearch(columns, rng))
    assert fits(found, {1: 0.5, 2: 0.5})


def test_funsearch_stands_any_size_of_score(make):
    columns = make.columns([-1.7e308, 1.7e308, 1.7e308])
    assert fits(drawn(lambda rng: funsearch(columns, rng)), {1: 0.5, 2: 0.5})


# By cases


def by_cases(scores):
    """Chances by algorithm 1 of Helmuth et al. over all orders of the cases, with tolerances."""
    rows, cases = range(len(scores)), range(len(scores[0]))
    found = Counter()
    orders = list(permutations(cases))
    for order in orders:
        left = list(rows)
        for case in order:
            column = [row[case] for row in scores]
            middle = median(column)
            spread = median(abs(value - middle) for value in column)
            best = max(scores[row][case] for row in left)
            left = [row for row in left if scores[row][case] >= best - spread]
        for row in left:
            found[row] += 1 / len(left) / len(orders)
    return dict(found)


@pytest.mark.parametrize(
    "scores",
    [
        # best in one case each, and one that is good everywhere and best nowhere
        [[9, 0, 0], [0, 9, 0], [0, 0, 9], [8, 8, 8], [0, 0, 0], [0, 0, 0], [0, 0, 0]],
        [[1, 0, 0, 1], [0, 1, 1, 0], [1, 1, 0, 0], [0, 0, 0, 1]],
        [[0.1, 2.0], [0.15, 1.0], [0.9, 0.5], [0.8, 3.0], [0.85, 0.25]],
        [[1.0]] * 3,
        [[0], [10]],
        [[0], [0], [1], [1]],
        [[5, 5], [1, 1], [1, 1], [5, 5]],
    ],
)
def test_lexicase_draws_as_its_papers_say(scores, make):
    columns = make.columns([sum(row) for row in scores], cases=scores)
    found = drawn(lambda rng: comparable([columns]).draw(rng)[1])
    assert fits(found, by_cases(scores))


def test_lexicase_leaves_out_a_program_that_is_best_nowhere(make):
    scores = [[9, 0, 0], [0, 9, 0], [0, 0, 9], [8, 8, 8], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert by_cases(scores).keys() == {0, 1, 2}


def test_lexicase_compares_what_passed_as_many_stages_and_has_as_many_cases(make):
    columns = make.columns(
        [9.0, 2.0, 3.0, 1.0, 0.0],
        rung=[1, 2, 2, 2, 2],
        cases=[[9, 9], [1, 0], [0, 1], [7, 7, 7], []],
    )
    found = drawn(lambda rng: comparable([columns]).draw(rng)[1])
    assert fits(found, {1: 0.5, 2: 0.5})


def test_lexicase_counts_a_program_in_two_pools_once(make):
    population = make.columns([1.0, 1.0], program=[5, 3], cases=[[1, 0], [0, 1]])
    archive = make.columns([1.0, 1.0], program=[3, 8], cases=[[0, 1], [0, 1]])

    def program(rng):
        columns, slot = comparable([population, archive]).draw(rng)
        return int(columns.program[slot])

    assert fits(drawn(program), {5: 0.5, 3: 0.25, 8: 0.25})


@pytest.mark.parametrize("kind", [float, int])
def test_lexicase_takes_any_numbers(kind, make):
    huge = [[kind(3e38), kind(-3e38)], [kind(-3e38), kind(3e38)], [kind(3e38), kind(-2e38)]]
    columns = make.columns([0.0, 1.0, 2.0], cases=huge)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert set(drawn(lambda rng: comparable([columns]).draw(rng)[1], draws=200)) <= {0, 1, 2}


@pytest.mark.parametrize("policy", ["mix", "tournament"])
def test_an_island_draws_by_cases_where_its_policy_does_and_they_are_known(policy):
    island = Island(0, Settings(policies=(policy, "mix")))
    for number, scores in enumerate([(1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (0.0, 0.0)], start=1):
        cases = pack("<2f", *scores)
        island.join(
            Entrant(program=number, rung=1, fitness=float(number), length=5, cell=-1, cases=cases),
            number,
        )
        found = drawn(lambda rng: int(island.population.columns.program[island.draw(rng)[1]]), 200)
        assert (set(found) <= {1, 2}) == (policy == "mix" or number < 3)


@pytest.mark.parametrize(
    ("fitness", "rung", "cases"),
    [
        # the best is without: a later stage has none, or a program chose to hand out none
        ([1.0, 1.0, 0.5], [1, 1, 2], [[1, 0], [0, 1], []]),
        ([1.0, 1.0, 2.0], [1, 1, 1], [[1, 0], [0, 1], []]),
        # most are without, as after a loss
        ([1.0, 1.0, 2.0], [1, 1, 1], [[], [], [1, 0]]),
        ([1.0, 1.0, 2.0, FAILED], [1, 1, 1, 1], [[], [], [1, 0], []]),
    ],
)
def test_too_few_cases_decide_nothing(fitness, rung, cases, make):
    assert comparable([make.columns(fitness, rung=rung, cases=cases)]) is None


def test_of_a_large_archive_the_best_take_part(make):
    population = make.columns([0.0], cases=[[9, 9]])
    many = 2000
    archive = make.columns(
        [float(n % 1000) for n in range(many)],
        program=list(range(10, 10 + many)),
        cases=[[float(n % 7), float(n % 5)] for n in range(many)],
    )
    contest = comparable([population, archive])
    places = contest._places
    assert len(places) == 1 + MOST
    assert {archive.fitness[slot] for _, slot in places[1:]} == set(range(1000 - MOST // 2, 1000))


def test_an_island_whose_programs_have_no_cases_draws_as_its_policy_says(make):
    assert comparable([make.columns([1.0]), make.columns([1.0], cases=[[1]])]) is None
    island = Island(0, Settings())
    for number in (1, 2, 3):
        one = Entrant(program=number, rung=1, fitness=float(number), length=5, cell=-1)
        island.join(one, number)
    expected = POLICIES["mix"].parent(
        island.population.columns, island.archive.columns, random.Random(2)
    )
    assert island.draw(random.Random(2)) == expected


# Power law, discounted or not, tournament, archive


@pytest.mark.parametrize("exponent", [0.0, 1.0, 2.0])
def test_a_power_law_draws_by_rank(exponent, make):
    columns = make.columns([3.0, 9.0, 3.0, -1.0], program=[4, 2, 3, 1])
    weights = dict(zip([1, 2, 0, 3], [rank**-exponent for rank in (1, 2, 3, 4)], strict=True))
    expected = {slot: weight / sum(weights.values()) for slot, weight in weights.items()}
    assert fits(drawn(lambda rng: power_law(columns, rng, exponent=exponent)), expected)


def test_attempts_already_begun_discount_a_power_law(make):
    columns = make.columns([3.0, 9.0, 3.0, -1.0], program=[4, 2, 3, 1], tries=[0, 99, 3, 8])
    weights = {1: 1 / 10, 2: 1 / 4 / 2, 0: 1 / 9, 3: 1 / 16 / 3}
    expected = {slot: weight / sum(weights.values()) for slot, weight in weights.items()}
    assert fits(drawn(lambda rng: discounted(columns, rng)), expected)


def test_the_tournament_policy_has_four_entrants(make):
    columns = make.columns([3.0, 1.0, 2.0])
    found = drawn(lambda rng: POLICIES["tournament"].parent(columns, make.columns([]), rng)[1])
    expected = {0: (3**4 - 2**4) / 3**4, 2: (2**4 - 1) / 3**4, 1: 1 / 3**4}
    assert fits(found, expected)


def test_map_elites_draws_every_cell_alike_and_before_there_are_any_every_member(make):
    population, archive = make.columns([1.0, 2.0]), make.columns([5.0, 1.0, 3.0])
    parent = POLICIES["map_elites"].parent
    assert fits(
        drawn(lambda rng: parent(population, archive, rng)[1]), dict.fromkeys((0, 1, 2), 1 / 3)
    )
    assert parent(population, archive, random.Random(1))[0] is archive
    found = drawn(lambda rng: parent(population, make.columns([]), rng)[1])
    assert fits(found, {0: 0.5, 1: 0.5})


# Baselines


@pytest.mark.parametrize("name", ["best_of_n", "random_walk"])
def test_a_baseline_draws_all_of_its_population_alike(name, make):
    columns, archive = make.columns([5.0, -1e9, 5.0, 0.0], rung=[3, 0, 1, 1]), make.columns([9.0])
    found = drawn(lambda rng: POLICIES[name].parent(columns, archive, rng)[1])
    assert fits(found, dict.fromkeys(range(4), 1 / 4))


# Tree search


def tree(make, fitness, **fields):
    return make.columns(fitness, parent=[0] + [1] * (len(fitness) - 1), **fields)


def test_a_tree_begins_with_drafts_from_its_roots_in_turn(make):
    columns = make.columns([1.0, 9.0, 1.0], parent=[0, 1, 0])
    expanded = []
    for _ in range(DRAFTS):
        expanded.append(tree_search(columns, random.Random(1)))
        columns.tries[expanded[-1]] += 1
    assert expanded == [0, 2, 0, 2, 0]
    assert tree_search(columns, random.Random(1)) == 1


def test_a_tree_debugs_failed_leaves_in_their_share_and_else_improves_the_best(make):
    fitness = [1.0, 5.0, FAILED, FAILED, FAILED, FAILED, 5.0]
    tries = [DRAFTS, 3, 0, 0, 1, 0, 0]
    failures = [0, 0, 0, DEBUG_DEPTH, 0, DEBUG_DEPTH + 1, 0]
    columns = tree(make, fitness, tries=tries, failures=failures)
    expected = {2: DEBUG_SHARE / 2, 3: DEBUG_SHARE / 2, 1: 1 - DEBUG_SHARE}
    assert fits(drawn(lambda rng: tree_search(columns, rng)), expected)


def test_a_tree_with_nothing_to_debug_improves_the_best_always(make):
    columns = tree(make, [1.0, 5.0, 9.0], rung=[1, 2, 1], tries=[DRAFTS, 1, 0])
    assert fits(drawn(lambda rng: tree_search(columns, rng), 100), {1: 1.0})


def test_a_tree_of_failures_drafts_again(make):
    columns = tree(make, [FAILED, FAILED], tries=[DRAFTS, 1])
    assert fits(drawn(lambda rng: tree_search(columns, rng), 100), {0: 1.0})


# Several objectives


def test_fronts_and_crowding_are_those_of_the_definition():
    values = np.array([[0, 4], [1, 3], [3, 1], [4, 0], [0, 0], [2, 2], [0, 0]], float)
    front, crowding = pareto.crowded(np.ones(7, np.int64), values)
    assert front.tolist() == [0, 0, 0, 0, 1, 0, 1]
    # neighbours on each side, over the width of 4, in both objectives
    assert crowding[:4].tolist() == [math.inf, 2 / 4 + 2 / 4, 2 / 4 + 2 / 4, math.inf]
    assert crowding[5] == 2 / 4 + 2 / 4


def test_crowding_is_told_apart_up_to_the_largest_floats():
    far = pareto.crowding_distance(np.array([[-1.7e308], [1.7e308], [0.0], [1e308]]))
    assert far.tolist() == [math.inf, math.inf, 2.7 / 3.4, 0.5]


@given(st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=15))
def test_a_front_holds_whom_only_earlier_fronts_dominate(rows):
    front, _ = pareto.crowded(
        np.array([r for r, *_ in rows]), np.array([v for _, *v in rows], float)
    )

    def dominates(a, b):
        if a[0] != b[0]:
            return a[0] > b[0]
        return a[1] >= b[1] and a[2] >= b[2] and a != b

    for n, row in enumerate(rows):
        above = [front[m] for m, other in enumerate(rows) if dominates(other, row)]
        assert front[n] == max(above, default=-1) + 1


def test_pareto_draws_by_binary_tournament(make):
    objectives = [[0.0, 4.0], [1.0, 3.5], [1.5, 3.0], [4.0, 0.0], [0.0, 0.0]]
    columns = make.columns([row[0] for row in objectives], objectives=objectives)
    front, crowding = pareto.crowded(columns.rung, columns.objectives)
    key = [(int(front[n]), -float(crowding[n])) for n in range(5)]
    expected = Counter()
    for first in range(5):
        for second in range(5):
            expected[second if key[second] < key[first] else first] += 1 / 25
    assert fits(drawn(lambda rng: pareto.pareto(columns, rng)), expected)


def test_who_leaves_a_front_is_the_most_crowded_the_newcomer_included(make):
    objectives = [[0.0, 4.0], [1.0, 3.0], [1.5, 2.5], [4.0, 0.0]]
    columns = make.columns([0.0, 1.0, 1.5, 4.0], objectives=objectives)
    newcomer = make.columns([3.0], objectives=[[3.0, 1.0]], program=[9]).entrant(0)
    assert pareto.leaver(columns, newcomer) == 1
    worse = make.columns([1.0], objectives=[[1.0, 1.0]], program=[9]).entrant(0)
    assert pareto.leaver(columns, worse) is None


# Inspirations


def test_the_top_are_the_best_others(make):
    columns = make.columns([1.0, 5.0, FAILED, 5.0], program=[4, 3, 2, 1])
    parent = columns.entrant(1)
    assert inspirations.top(columns, parent, count=9) == (1, 4)
    assert inspirations.top(columns, parent, count=1) == (1,)


def test_diverse_ones_are_any_elites_of_other_cells(make):
    archive = make.columns([1.0, 2.0, 3.0, 4.0], cell=[3, 4, 5, 6])
    parent = archive.entrant(2)
    found = drawn(lambda rng: inspirations.diverse(archive, parent, rng, count=2))
    pairs = [(a, b) for a in (1, 2, 4) for b in (1, 2, 4) if a != b]
    assert fits(found, dict.fromkeys(pairs, 1 / 6))


def test_foreign_ones_come_from_every_other_island_alike(make):
    islands = [
        make.columns([1.0, 2.0], program=[1, 2]),
        make.columns([1.0], program=[3]),
        make.columns([]),
        make.columns([1.0, 1.0], program=[4, 5]),
    ]
    parent = islands[0].entrant(0)
    found = drawn(lambda rng: inspirations.foreign(islands, 0, parent, rng, count=1))
    assert fits(found, {(3,): 1 / 2, (4,): 1 / 4, (5,): 1 / 4})
    assert inspirations.foreign(islands[:1], 0, parent, random.Random(1), count=3) == ()


def test_there_are_as_many_foreign_ones_as_there_are_others(make):
    parent = make.columns([1.0]).entrant(0)
    failed = [-math.inf] * 30
    islands = [
        make.columns([1.0]),
        make.columns([1.0, 2.0, *failed], program=[1, 2, *range(10, 40)]),
        make.columns([4.0, 2.0], program=[4, 2]),
    ]
    rng = random.Random(4)
    for count, there in ((1, 1), (2, 2), (9, 2)):
        for _ in range(200):
            shown = inspirations.foreign(islands, 0, parent, rng, count=count)
            assert len(shown) == len(set(shown)) == there
            assert set(shown) <= {2, 4}


def test_drawn_by_the_policy_they_are_distinct_and_never_the_parent(make):
    columns = make.columns([1.0, 2.0, 3.0])
    rng = random.Random(3)
    for _ in range(200):
        shown = inspirations.by_policy(
            lambda: (columns, power_law(columns, rng)), columns.entrant(0), count=3
        )
        assert len(set(shown)) == len(shown)
        assert set(shown) <= {2, 3}


def test_drawn_by_cases_they_are_others_than_the_parent_and_made_up_for(make):
    pools = [make.columns([1.0] * 5, cases=[[2, 0], [0, 2], [0, 0], [0, 0], [0, 0]])]

    def shown(rng):
        return inspirations.by_cases(
            comparable(pools),
            pools[0].entrant(0),
            rng,
            count=2,
            others=lambda: [3, 8],
        )

    # each draw gives the parent or the other specialist; what is missing comes from elsewhere
    assert fits(drawn(shown), {(3, 8): 1 / 4, (2, 3): 3 / 4})


# Islands


def test_graphs_have_the_edges_of_their_name():
    assert set(migration.star(3)) == {(1, 0), (2, 0), (0, 1), (0, 2)}
    assert set(migration.complete(3)) == {(a, b) for a in range(3) for b in range(3) if a != b}
    assert migration.edges("edges", 2, [(1, 0), (0, 5)]) == [(1, 0)]
    assert migration.star(1) == migration.complete(1) == []


def test_the_worse_half_is_founded_anew_by_any_of_the_others():
    peaks = [(1, 5.0), (2, 0.0), None, (1, 6.0), (1, 1.0)]
    found = drawn(lambda rng: tuple(reset.worse_half(peaks, rng)))
    assert {tuple(island for island, _ in plan) for plan in found} == {(2, 4)}
    pairs = [(a, b) for a in (0, 1, 3) for b in (0, 1, 3)]
    counted = Counter({tuple(b for _, b in plan): n for plan, n in found.items()})
    assert fits(counted, dict.fromkeys(pairs, 1 / 9))


def test_equal_islands_are_reset_at_random():
    found = drawn(lambda rng: reset.worse_half([(1, 1.0)] * 3, rng)[0][0])
    assert fits(found, dict.fromkeys(range(3), 1 / 3))


def test_without_any_program_nothing_is_reset():
    assert reset.worse_half([None, None, None], random.Random(1)) == []
