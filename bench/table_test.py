#!/usr/bin/env python3
"""Whether the table says what the figures say."""

import pathlib
import tempfile
import unittest

import table


class Met(unittest.TestCase):
    def case(self, **fields):
        return table.Case("row", "case", "baseline", "result", "target", **fields)

    def test_a_ratio_up_to_its_limit_meets_it(self):
        self.assertTrue(self.case(ratio=1.45, limit=1.45).met)
        self.assertFalse(self.case(ratio=1.46, limit=1.45).met)

    def test_a_rate_must_reach_its_limit(self):
        self.assertTrue(self.case(ratio=0.9, limit=0.9, at_least=True).met)
        self.assertFalse(self.case(ratio=0.89, limit=0.9, at_least=True).met)

    def test_what_else_is_asked_for_counts(self):
        self.assertFalse(self.case(ratio=1, limit=0.9, at_least=True, extra_met=False).met)

    def test_what_has_no_limit_or_was_not_run_is_not_judged(self):
        self.assertIsNone(self.case(ratio=3).met)
        self.assertIsNone(table.not_run("row", "no control group").met)


class Markdown(unittest.TestCase):
    CASES = [table.Case("a", "x", "b", "2x", "at most 1x", 2, 1), table.Case("a", "y", "b", "1x", "at most 1x", 1, 1)]

    def test_a_row_is_named_once_and_misses_are_marked(self):
        lines = table.markdown(self.CASES, judged=True).splitlines()
        self.assertEqual(lines[2:], ["| a | x | b | 2x | at most 1x | **no** |", "|  | y | b | 1x | at most 1x | yes |"])

    def test_a_run_that_judges_nothing_has_no_such_column(self):
        self.assertNotIn("no", table.markdown(self.CASES, judged=False))


class Docs(unittest.TestCase):
    def test_only_what_stands_between_the_marks_is_replaced_and_can_be_again(self):
        with tempfile.TemporaryDirectory() as directory:
            path = pathlib.Path(directory) / "docs.md"
            path.write_text(f"before\n{table.DOCS_BEGIN}\nold\n{table.DOCS_END}\nafter\n")
            for text in ("new\n", "newer\n"):
                table.write_docs(path, text)
                self.assertEqual(path.read_text(), f"before\n{table.DOCS_BEGIN}\n{text}{table.DOCS_END}\nafter\n")

    def test_the_docs_have_the_marks(self):
        docs = (pathlib.Path(__file__).resolve().parent.parent / "docs/PERFORMANCE.md").read_text()
        self.assertEqual((docs.count(table.DOCS_BEGIN), docs.count(table.DOCS_END)), (1, 1))


if __name__ == "__main__":
    unittest.main()
