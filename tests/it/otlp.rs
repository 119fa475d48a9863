//! `run --otlp`: what an OpenTelemetry collector gets. Built with the feature
//! `otlp` (`cargo test --features otlp --test it otlp`).

#[cfg(not(feature = "otlp"))]
#[test]
fn a_build_without_it_says_which_build_has_it() {
    let run = crate::run::Run::short(&["--otlp", "http://127.0.0.1:4318"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("cargo build --release --features otlp"), "{}", run.stderr);
}

#[cfg(feature = "otlp")]
mod pushed {
    use crate::run::Run;
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
    use opentelemetry_proto::tonic::common::v1::{KeyValue, any_value::Value};
    use opentelemetry_proto::tonic::metrics::v1::{HistogramDataPoint, Metric, metric::Data, number_data_point};
    use prost::Message;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::{TcpListener, TcpStream};
    use std::sync::{Arc, Mutex};

    /// Head and body of a request.
    type Pushed = (String, Vec<u8>);

    /// Takes metrics as a collector does, and answers with a status.
    struct Collector {
        endpoint: String,
        pushed: Arc<Mutex<Vec<Pushed>>>,
    }

    impl Collector {
        fn answering(status: &'static str) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let endpoint = format!("http://{}", listener.local_addr().unwrap());
            let pushed = Arc::<Mutex<Vec<_>>>::default();
            let kept = pushed.clone();
            std::thread::spawn(move || {
                for stream in listener.incoming() {
                    let kept = kept.clone();
                    std::thread::spawn(move || take(stream.unwrap(), status, &kept));
                }
            });
            Self { endpoint, pushed }
        }

        /// Head and message of each push.
        fn pushes(&self) -> Vec<(String, ExportMetricsServiceRequest)> {
            let pushed = self.pushed.lock().unwrap();
            let decode = |body: &Vec<u8>| ExportMetricsServiceRequest::decode(body.as_slice()).unwrap();
            pushed.iter().map(|(head, body)| (head.clone(), decode(body))).collect()
        }
    }

    fn take(stream: TcpStream, status: &str, kept: &Mutex<Vec<Pushed>>) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let mut stream = stream;
        loop {
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                if reader.read_line(&mut head).unwrap_or(0) == 0 {
                    return;
                }
            }
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let mut body = vec![0; length.parse().unwrap()];
            reader.read_exact(&mut body).unwrap();
            kept.lock().unwrap().push((head, body));
            stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).unwrap();
        }
    }

    fn metrics(request: &ExportMetricsServiceRequest) -> &[Metric] {
        &request.resource_metrics[0].scope_metrics[0].metrics
    }

    fn named<'m>(request: &'m ExportMetricsServiceRequest, name: &str) -> &'m Metric {
        let found = metrics(request).iter().find(|metric| metric.name == name);
        found.unwrap_or_else(|| panic!("no {name} in {:#?}", metrics(request)))
    }

    fn said(attributes: &[KeyValue], key: &str) -> String {
        let value = attributes.iter().find(|one| one.key == key).and_then(|one| one.value.clone()?.value);
        let Some(Value::StringValue(text)) = value else { panic!("no {key} in {attributes:?}") };
        text
    }

    /// A sum, of the point whose state is this one where there are several.
    fn counted(request: &ExportMetricsServiceRequest, name: &str, state: Option<&str>) -> u64 {
        let Some(Data::Sum(sum)) = &named(request, name).data else { panic!("{name} is no sum") };
        assert!(sum.is_monotonic && sum.aggregation_temporality == 2, "{name} counts since the start");
        let is_asked = |attributes: &[KeyValue]| state.is_none_or(|state| said(attributes, "state") == state);
        // A state that no message has reached yet has no point.
        let Some(point) = sum.data_points.iter().find(|point| is_asked(&point.attributes)) else { return 0 };
        match point.value.unwrap() {
            number_data_point::Value::AsInt(number) => number as u64,
            number_data_point::Value::AsDouble(number) => number as u64,
        }
    }

    fn latency(request: &ExportMetricsServiceRequest, kind: &str) -> HistogramDataPoint {
        let Some(Data::Histogram(histogram)) = &named(request, "posthaste.latency").data else { panic!() };
        histogram.data_points.iter().find(|point| said(&point.attributes, "kind") == kind).unwrap().clone()
    }

    #[test]
    fn a_collector_sees_the_run_grow_and_ends_with_its_figures() {
        let collector = Collector::answering("200 OK");
        let token = [("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer s3cret")];
        let args = ["--users", "60", "--duration", "5s", "--set", "connect.rate=2000", "--otlp", &collector.endpoint];
        let run = Run::with(&token, &args);
        assert!([0, 3].contains(&run.code), "{}", run.stderr);
        let pushes = collector.pushes();
        assert!(pushes.len() >= 3, "{} pushes in 5 s of load", pushes.len());
        for (head, _) in &pushes {
            assert!(head.starts_with("post /v1/metrics http/1.1"), "{head}");
            assert!(head.contains("content-type: application/x-protobuf") && head.contains("bearer s3cret"), "{head}");
        }
        let acknowledged: Vec<u64> =
            pushes[1..].iter().map(|(_, push)| counted(push, "posthaste.messages", Some("acknowledged"))).collect();
        assert!(acknowledged.is_sorted() && acknowledged[0] < acknowledged[acknowledged.len() - 1], "{acknowledged:?}");

        let (_, last) = pushes.last().unwrap();
        assert_eq!(*acknowledged.last().unwrap(), run.ledger("acknowledged"));
        assert_eq!(counted(last, "posthaste.attempts", None), run.ledger("attempts"));
        assert_eq!(counted(last, "posthaste.deliveries", None), run.ledger("live_deliveries"));
        let ack = latency(last, "ack");
        assert_eq!(ack.count, run.summary["latency_us"]["ack"]["count"].as_u64().unwrap());
        assert_eq!(ack.bucket_counts.len(), ack.explicit_bounds.len() + 1);
        assert_eq!(ack.bucket_counts.iter().sum::<u64>(), ack.count);
        assert!(ack.start_time_unix_nano > 0 && ack.time_unix_nano > ack.start_time_unix_nano);
        assert_eq!(
            (named(last, "posthaste.latency").unit.as_str(), named(last, "posthaste.process_cpu").unit.as_str()),
            ("s", "s")
        );
        let resource = &last.resource_metrics[0].resource.as_ref().unwrap().attributes;
        assert_eq!(said(resource, "service.name"), "posthaste");
        assert_eq!(said(resource, "service.instance.id"), run.summary["run_id"].as_str().unwrap());
        // A token of the environment stands in no file of the run.
        for entry in std::fs::read_dir(run.folder()).unwrap().flatten().filter(|entry| entry.path().is_file()) {
            let bytes = std::fs::read(entry.path()).unwrap();
            assert!(!bytes.windows(6).any(|bytes| bytes == b"s3cret"), "{entry:?}");
        }
    }

    #[test]
    fn a_collector_that_is_not_there_or_refuses_is_said_and_disturbs_nothing() {
        let refuses = Collector::answering("503 Service Unavailable");
        for (endpoint, words) in [(refuses.endpoint.as_str(), "503"), ("http://127.0.0.1:9", "error sending request")] {
            let run = Run::short(&["--otlp", endpoint]);
            assert!([0, 3].contains(&run.code), "{}", run.stderr);
            assert!(run.stderr.contains(words) && run.stderr.contains("pushes failed"), "{}", run.stderr);
        }
        let run = Run::short(&["--otlp", "localhost:4318"]);
        assert_eq!(run.code, 2, "{}", run.stderr);
        assert!(run.stderr.contains("such as http://127.0.0.1:4318"), "{}", run.stderr);
    }
}
