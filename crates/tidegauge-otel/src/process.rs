//! What the system says about this process, for the metrics page.
//!
//! In: `/proc/self` of Linux; elsewhere there is nothing. Out: families under the names that Prometheus'
//! own clients use. Knows no record. Source: proc_pid_stat(5), proc_pid_status(5), proc_pid_limits(5).

use std::fs;

use tidegauge_core::Scope;

use crate::metric::{Family, Point, Value};
use crate::semconv::{self as name, Metric};

/// Ticks a second in `/proc`: the same for every architecture of Linux.
const TICKS: f64 = 100.0;

/// Everything that can be read now. `began` is when the process was first measured, in nanoseconds since
/// the Unix epoch.
pub(crate) fn read(began: u64) -> Vec<Family> {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let system = fs::read_to_string("/proc/stat").unwrap_or_default();
    let kib = |key| line(&status, key).map(|kib: i64| kib.saturating_mul(1024));
    let fds = fs::read_dir("/proc/self/fd").ok().and_then(|dir| i64::try_from(dir.count()).ok());
    let level = |level: Option<i64>| level.map(Value::Level);
    let cpu = field(&stat, 14).zip(field(&stat, 15)).map(|(user, system)| (user + system) / TICKS);
    let boot: Option<f64> = line(&system, "btime ");
    let start = boot.zip(field(&stat, 22)).map(|(boot, since)| boot + since / TICKS);
    let values: [(&'static Metric, Option<Value>); 7] = [
        (&name::PROCESS_CPU, cpu.map(Value::Real)),
        (&name::PROCESS_MEMORY, level(kib("VmRSS:"))),
        (&name::PROCESS_VIRTUAL, level(kib("VmSize:"))),
        (&name::PROCESS_FDS, level(fds)),
        (&name::PROCESS_MAX_FDS, level(line(&limits, "Max open files"))),
        (&name::PROCESS_THREADS, level(line(&status, "Threads:"))),
        (&name::PROCESS_START, start.map(Value::Real)),
    ];
    let known = values.into_iter().filter_map(|(metric, value)| Some((metric, value?)));
    known
        .map(|(metric, value)| Family {
            scope: Scope::Own,
            metric,
            delta: false,
            since: began,
            now: began,
            points: vec![Point { attributes: Vec::new(), value, since: None }],
        })
        .collect()
}

/// The first number after a key at the beginning of a line.
fn line<T: std::str::FromStr>(text: &str, key: &str) -> Option<T> {
    let rest = text.lines().find_map(|line| line.strip_prefix(key))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// A field of `/proc/self/stat`, counted from 1. The second is the name of the program, in parentheses,
/// and may hold anything.
fn field(stat: &str, number: usize) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_counted_after_a_name_that_may_hold_anything() {
        let stat = "7 (a b) 3) S 1 7 7 0 -1 4 9 0 0 0 250 50 0 0 20 0 12 0 4200 1 2";
        assert_eq!(
            (field(stat, 14), field(stat, 15), field(stat, 22)),
            (Some(250.0), Some(50.0), Some(4200.0))
        );
        assert_eq!((field("", 14), field(stat, 1), field(stat, 99)), (None, None, None));
        let limits =
            "Limit  Soft Limit\nMax open files            1024                 4096  files\n";
        assert_eq!(line(limits, "Max open files"), Some(1024));
        assert_eq!(line::<i64>("Max open files  unlimited", "Max open files"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_known() {
        let families = read(0);
        let real = |name: &str| {
            let family = families.iter().find(|family| family.metric.name == name).unwrap();
            match family.points[0].value {
                Value::Level(level) => f64::from(u32::try_from(level).unwrap_or(u32::MAX)),
                Value::Real(real) => real,
                _ => panic!("a number"),
            }
        };
        assert_eq!(families.len(), 7);
        assert!(real("process.resident_memory") > 1e6);
        assert!(
            real("process.open_fds") >= 3.0 && real("process.max_fds") > real("process.open_fds")
        );
        assert!(real("process.threads") >= 1.0);
        assert!(real("process.start_time") > 1.7e9);
    }
}
