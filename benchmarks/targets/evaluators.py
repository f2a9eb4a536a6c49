"""Which evaluators the benchmarks switch on."""

RULES = (
    "not_empty",
    "refusal",
    "pii",
    "secrets",
    "toxicity",
    "prompt_injection",
    "jailbreak",
    "repetition",
    "response_length",
    "latency",
)
"""Ten that only compute."""
JUDGED = ("answer_relevance", "helpfulness", "instruction_following", "completeness", "judged_toxicity")
"""Five that ask a judge."""
