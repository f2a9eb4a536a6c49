"""What a request to a judge shows."""

from __future__ import annotations

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from offpath.offline import offline_model_process
from offpath.posthooks.evaluation.judge_span import judge_span
from offpath.telemetry.tracing import use_providers
from offpath_evaluators import EvaluationContext, Judge, evaluate


async def test_calls_of_judges_are_spans_and_metrics_with_a_purpose_of_their_own() -> None:
    exporter, reader = InMemorySpanExporter(), InMemoryMetricReader()
    tracers, meters = TracerProvider(), MeterProvider(metric_readers=[reader])
    tracers.add_span_processor(SimpleSpanProcessor(exporter))
    use_providers(tracers, meters)
    try:
        with offline_model_process() as model:
            async with Judge("gpt-4o-mini", base_url=model.base_url, api_key="none", watch=judge_span) as judge:
                (found,) = await evaluate(
                    EvaluationContext(input="When?", output="At noon."), ["answer_relevance"], judge=judge
                )
        assert found.state == "scored"
        (span,) = exporter.get_finished_spans()
        assert span.name == "chat gpt-4o-mini"
        assert span.attributes is not None
        assert span.attributes["offpath.purpose"] == "judge"
        assert span.attributes["gen_ai.usage.input_tokens"] == found.provenance.input_tokens
        data = reader.get_metrics_data()
        assert data is not None
        names = {
            metric.name: point.attributes["offpath.purpose"]
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name.startswith("gen_ai.client")
            for point in metric.data.data_points
        }
        assert names["gen_ai.client.operation.duration"] == "judge"
        assert names["gen_ai.client.token.usage"] == "judge"
    finally:
        use_providers(None, None)
