//! Text to what PostgreSQL holds, value by value: JSON, UUIDs, addresses.

use crate::parts::throughput;
use criterion::Criterion;
use liteferry::row::{inet, json, uuid};
use std::hint::black_box;
use std::net::Ipv4Addr;

/// Ten thousand texts of each kind.
pub(crate) fn texts(criterion: &mut Criterion) {
    let document = |n: u32| {
        format!(
            r#"{{"market": "{n}/usdc", "price": {n}.250, "size": 1e-3, "side": "buy", "tags": ["a", "\u00e9"], "at": {{"s": 17{n}, "note": null}}}}"#
        )
    };
    let uuid = |n: u32| format!("550e8400-e29b-41d4-a716-{n:012x}");
    let mut bench = |name: &str, texts: Vec<String>, read: &dyn Fn(&str) -> bool| {
        let mut group = criterion.benchmark_group(name);
        group.throughput(throughput(texts.len(), texts.iter().map(String::len).sum()));
        group.bench_function("text", |bencher| {
            bencher.iter(|| assert!(texts.iter().all(|text| read(text))));
        });
        group.finish();
    };
    bench("json", (0..10_000).map(document).collect(), &json::check);
    bench("jsonb", (0..10_000).map(document).collect(), &|text| {
        black_box(json::canonical_jsonb(text)).is_some()
    });
    bench("uuid", (0..10_000).map(uuid).collect(), &|text| black_box(uuid::parse(text)).is_some());
    bench(
        "inet",
        (0..10_000).map(|n| Ipv4Addr::from(n * 104_729).to_string()).collect(),
        &|text| black_box(inet::parse(text)).is_some(),
    );
}
