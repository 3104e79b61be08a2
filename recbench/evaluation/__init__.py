"""From questions to judged answers: asking, ranks, per-example values, their means, the audit."""
