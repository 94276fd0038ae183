//! The histogram against exact quantiles of the same values, and its algebra.

use proptest::prelude::*;
use tidegauge_core::testing::Random;

use super::*;

fn relative(got: Duration, raw: Duration) -> f64 {
    got.as_secs_f64() / raw.as_secs_f64() - 1.0
}

#[test]
fn percentiles_of_many_samples_are_within_one_percent_of_the_raw_ones() {
    let cases = [
        ("duration, s", Step::Micro, 1.22, 1.0),
        ("ttft, s", Step::Micro, 0.35, 0.6),
        ("tpot, s", Step::Tenth, 0.011, 0.5),
        ("overhead, s", Step::Tenth, 0.000_12, 0.8),
    ];
    let budget = Budget::new(64 << 20);
    println!("{:>12} {:>4} {:>12} {:>12} {:>8}", "100,000 of", "", "raw", "histogram", "error");
    for (name, step, median, sigma) in cases {
        let mut random = Random(7);
        let mut raw: Vec<Duration> = (0..100_000)
            .map(|_| Duration::from_secs_f64(random.log_normal(median, sigma)))
            .collect();
        // Spread over slots, as in a window.
        let mut slots: Vec<Sparse> = (0..12).map(|_| Sparse::default()).collect();
        for (index, time) in raw.iter().enumerate() {
            slots[index % 12].add(step, *time, &budget);
        }
        let mut dense = Dense::new(step);
        slots.iter().for_each(|slot| dense.add(slot));
        let got = dense.percentiles().unwrap();
        raw.sort();
        assert_eq!(got.count, 100_000);
        for (rank, value) in [(50, got.p50), (90, got.p90), (95, got.p95), (99, got.p99)] {
            let raw = raw[rank * 1_000 - 1];
            let error = relative(value, raw);
            println!(
                "{name:>12} P{rank:<3} {:>12.6} {:>12.6} {:>+7.3}%",
                raw.as_secs_f64(),
                value.as_secs_f64(),
                error * 100.0
            );
            assert!(error.abs() < 0.01, "{name} P{rank}: {error}");
        }
        let entries: usize = slots.iter().map(|slot| slot.entries.len()).sum();
        println!("{name:>12} {entries} buckets in 12 slots");
    }
    assert_eq!(budget.refused(), 0);
}

#[test]
fn nothing_has_no_percentiles() {
    assert_eq!(Dense::new(Step::Micro).percentiles(), None);
}

#[test]
fn long_times_saturate() {
    let budget = Budget::new(1 << 20);
    let mut sparse = Sparse::default();
    sparse.add(Step::Micro, Duration::MAX, &budget);
    sparse.add(Step::Micro, Duration::ZERO, &budget);
    let mut dense = Dense::new(Step::Micro);
    dense.add(&sparse);
    let got = dense.percentiles().unwrap();
    assert_eq!(got.p50, Duration::ZERO);
    assert!(relative(got.p99, Duration::from_micros(u32::MAX.into())).abs() < 0.004);
}

#[test]
fn the_budget_is_kept_and_given_back() {
    let budget = Budget::new(8 * 16);
    let mut sparse = Sparse::default();
    for millis in 1..=100 {
        sparse.add(Step::Micro, Duration::from_millis(millis), &budget);
    }
    assert!(budget.used() <= 8 * 16 && budget.refused() > 0, "{budget:?}");
    let kept = sparse.entries.len() as u64;
    assert_eq!(kept + budget.refused(), 100);
    // A bucket that exists is counted at no cost.
    sparse.add(Step::Micro, Duration::from_millis(1), &budget);
    assert_eq!(kept + budget.refused(), 100);
    sparse.clear(&budget);
    assert_eq!(budget.used(), 0);
}

proptest! {
    #[test]
    fn buckets_are_those_of_the_dense_histogram(value in any::<u32>()) {
        let dense = Dense::new(Step::Micro).counts;
        prop_assert_eq!(u64::from(bucket(value)), dense.lowest_equivalent(value.into()));
    }

    #[test]
    fn merging_is_the_same_in_any_order(
        times in proptest::collection::vec((0_u64..1_000_000_000, 0_usize..3), 1..200),
    ) {
        let budget = Budget::new(1 << 20);
        let mut parts = [Sparse::default(), Sparse::default(), Sparse::default()];
        let mut whole = Sparse::default();
        for (micros, part) in times {
            let time = Duration::from_micros(micros);
            parts[part].add(Step::Micro, time, &budget);
            whole.add(Step::Micro, time, &budget);
        }
        let merged = |order: [usize; 3]| {
            let mut sum = Dense::new(Step::Micro);
            for index in order {
                let mut dense = Dense::new(Step::Micro);
                dense.add(&parts[index]);
                sum.merge(&dense);
            }
            sum.percentiles()
        };
        let mut all = Dense::new(Step::Micro);
        all.add(&whole);
        prop_assert_eq!(merged([0, 1, 2]), all.percentiles());
        prop_assert_eq!(merged([2, 0, 1]), all.percentiles());
    }
}
