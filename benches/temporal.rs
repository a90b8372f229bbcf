//! How fast dates are read and written, on one core: texts of each usual shape, doubles, and wall clocks of a zone.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use liteferry::model::EpochUnit;
use liteferry::row::temporal::IsoText;
use liteferry::row::zone::{self, Localizer};
use std::hint::black_box;

const VALUES: i64 = 10_000;
/// Between two values: some three days, so that fractions, months and summer time come along.
const STEP_MICROS: i64 = 271_828_182_845;

criterion_group!(benches, temporal);
criterion_main!(benches);

#[expect(clippy::expect_used, reason = "a benchmark has nobody to give its error to")]
fn temporal(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("temporal");
    group.throughput(Throughput::Elements(VALUES.unsigned_abs()));
    for like in [
        "2025-01-31",
        "2025-01-31 10:20:30.123456",
        "2025-01-31T10:20:30.123Z",
        "2025-01-31T10:20:30.123456-06:00",
    ] {
        let (kind, form) = IsoText::parse(like).expect("a date");
        let values: Vec<_> = (0..VALUES).map(|number| value_like(kind, number)).collect();
        let texts: Vec<_> = values
            .iter()
            .map(|&value| {
                let mut text = String::new();
                form.write(value, &mut text).expect("a year of four digits");
                text
            })
            .collect();
        group.bench_function(format!("read {like}"), |bencher| {
            bencher.iter(|| {
                texts.iter().filter(|text| IsoText::parse(black_box(text)).is_ok()).count()
            });
        });
        group.bench_function(format!("write {like}"), |bencher| {
            let mut out = String::new();
            bencher.iter(|| {
                out.clear();
                values.iter().filter_map(|&value| form.write(value, &mut out)).count()
            });
        });
    }
    let doubles: Vec<_> =
        (0..VALUES).map(|number| EpochUnit::Seconds.real(number * STEP_MICROS)).collect();
    group.bench_function("read unix seconds as REAL", |bencher| {
        let micros = |&value: &f64| EpochUnit::Seconds.micros_of_real(black_box(value));
        bencher.iter(|| doubles.iter().filter_map(micros).count());
    });
    group.bench_function("localize in America/Denver", |bencher| {
        let mut clocks = Localizer::new(zone::find("America/Denver").expect("a zone"));
        bencher.iter(|| {
            (0..VALUES).for_each(|number| {
                black_box(clocks.meaning(number * STEP_MICROS));
            });
        });
    });
    group.finish();
}

fn value_like(kind: IsoText, number: i64) -> IsoText {
    let micros = number * STEP_MICROS;
    match kind {
        IsoText::Date(_) => IsoText::Date(i32::try_from(number).unwrap_or(0)),
        IsoText::Time(_) => IsoText::Time(micros % 86_400_000_000),
        IsoText::Naive(_) => IsoText::Naive(micros),
        IsoText::Instant(_) => IsoText::Instant(micros),
    }
}
