//! A run that goes on, as metrics of OpenTelemetry: what a collector is sent. A name
//! becomes the one that Prometheus scrapes when the collector passes it on:
//! `posthaste.latency` in seconds is `posthaste_latency_seconds`.

use super::metrics::{Metrics, Standing, buckets};
use crate::ledger::Latencies;
use crate::model::LatencyKind;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message;

/// From when to when, in ns since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// When counting began.
    pub start_ns: u64,
    /// Now.
    pub now_ns: u64,
}

/// The body of a request that tells how a run stands, in protobuf.
pub fn otlp(metrics: &Metrics, window: Window) -> Vec<u8> {
    let labels = metrics.labels();
    let mut resource = vec![text("service.name", "posthaste"), text("service.version", env!("CARGO_PKG_VERSION"))];
    resource.extend(labels.iter().map(|(name, value)| match *name {
        // One process is one run.
        "run_id" => text("service.instance.id", value),
        name => text(&format!("posthaste.{name}"), value),
    }));
    let info = labels.iter().map(|(name, value)| text(name, value)).collect();
    let mut told = vec![gauge(("run_info", "What runs", ""), vec![window.point(info, whole(1))])];
    metrics.look(|standing, latencies| told.extend(window.metrics(standing, latencies)));
    let scope = InstrumentationScope { name: "posthaste".to_owned(), ..InstrumentationScope::default() };
    let scope_metrics = vec![ScopeMetrics { scope: Some(scope), metrics: told, ..ScopeMetrics::default() }];
    let resource = Some(Resource { attributes: resource, ..Resource::default() });
    let resource_metrics = vec![ResourceMetrics { resource, scope_metrics, ..ResourceMetrics::default() }];
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
}

impl Window {
    fn metrics(self, standing: &Standing, latencies: &Latencies) -> Vec<Metric> {
        let of_state = |(state, count): &(&'static str, u64)| self.point(vec![text("state", state)], whole(*count));
        let mut all =
            vec![sum(("messages", "Messages that ended so", ""), standing.messages.iter().map(of_state).collect())];
        for (name, help, count) in &standing.counts {
            all.push(sum((name, help, ""), vec![self.point(Vec::new(), whole(*count))]));
        }
        for (name, help, level) in &standing.levels {
            all.push(gauge((name, help, ""), vec![self.point(Vec::new(), whole(*level))]));
        }
        let cpu = number_data_point::Value::AsDouble(standing.cpu_s);
        all.push(sum(("process_cpu", "CPU time of the generator", "s"), vec![self.point(Vec::new(), cpu)]));
        let memory = ("process_resident_memory", "Largest resident memory of the generator", "By");
        all.push(gauge(memory, vec![self.point(Vec::new(), whole(standing.rss_bytes))]));
        let measured = LatencyKind::ALL.into_iter().filter(|kind| !latencies.histogram(*kind).is_empty());
        let histogram = Histogram {
            data_points: measured.map(|kind| self.latency(kind, latencies)).collect(),
            aggregation_temporality: AggregationTemporality::Cumulative.into(),
        };
        if !histogram.data_points.is_empty() {
            let named = ("latency", "Latencies by kind; the warm-up is not in them", "s");
            all.push(metric(named, metric::Data::Histogram(histogram)));
        }
        all
    }

    fn point(self, attributes: Vec<KeyValue>, value: number_data_point::Value) -> NumberDataPoint {
        NumberDataPoint {
            attributes,
            start_time_unix_nano: self.start_ns,
            time_unix_nano: self.now_ns,
            value: Some(value),
            ..NumberDataPoint::default()
        }
    }

    fn latency(self, kind: LatencyKind, latencies: &Latencies) -> HistogramDataPoint {
        let histogram = latencies.histogram(kind);
        let (sum_s, buckets) = buckets(histogram);
        HistogramDataPoint {
            attributes: vec![text("kind", kind.name())],
            start_time_unix_nano: self.start_ns,
            time_unix_nano: self.now_ns,
            count: histogram.len(),
            sum: Some(sum_s),
            max: Some(histogram.max() as f64 / 1e6),
            bucket_counts: buckets.iter().map(|(_, count)| *count).collect(),
            // The last bucket has no upper bound.
            explicit_bounds: buckets.iter().map(|(bound, _)| *bound).filter(|bound| bound.is_finite()).collect(),
            ..HistogramDataPoint::default()
        }
    }
}

/// Name, description and unit.
type Named<'a> = (&'a str, &'a str, &'a str);

fn metric((name, description, unit): Named<'_>, data: metric::Data) -> Metric {
    Metric {
        name: format!("posthaste.{name}"),
        description: description.to_owned(),
        unit: unit.to_owned(),
        data: Some(data),
        ..Metric::default()
    }
}

fn gauge(named: Named<'_>, data_points: Vec<NumberDataPoint>) -> Metric {
    metric(named, metric::Data::Gauge(Gauge { data_points }))
}

/// What only grows, counted since the start.
fn sum(named: Named<'_>, data_points: Vec<NumberDataPoint>) -> Metric {
    let aggregation_temporality = AggregationTemporality::Cumulative.into();
    metric(named, metric::Data::Sum(Sum { data_points, aggregation_temporality, is_monotonic: true }))
}

fn whole(number: u64) -> number_data_point::Value {
    number_data_point::Value::AsInt(i64::try_from(number).unwrap_or(i64::MAX))
}

fn text(key: &str, value: &str) -> KeyValue {
    let value = any_value::Value::StringValue(value.to_owned());
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
