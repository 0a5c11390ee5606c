//! The process itself, under the names that every Prometheus client uses. They are read at each scrape: some small files
//! of `/proc`, whatever the store holds.
//!
//! **Invariants**
//! 1. Where a value cannot be read, its series is missing: it is never wrong.

use std::fmt;

use procfs::process::{LimitValue, Process as Own, Stat};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Reads the process at each scrape.
#[derive(Debug)]
pub(super) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let Ok(own) = Own::myself() else { return Ok(()) };
        if let Ok(n) = own.fd_count() {
            gauge(&mut encoder, "process_open_fds", "Open file descriptors", n as f64)?;
        }
        if let Ok(limits) = own.limits()
            && let LimitValue::Value(n) = limits.max_open_files.soft_limit
        {
            gauge(&mut encoder, "process_max_fds", "The limit on open file descriptors", n as f64)?;
        }
        own.stat().map_or(Ok(()), |stat| encode_stat(&mut encoder, &stat))
    }
}

fn encode_stat(encoder: &mut DescriptorEncoder<'_>, stat: &Stat) -> fmt::Result {
    let ticks_per_second = procfs::ticks_per_second() as f64;
    let cpu = ConstCounter::new((stat.utime + stat.stime) as f64 / ticks_per_second);
    let help = "Total user and system CPU time in seconds.";
    cpu.encode(encoder.encode_descriptor("process_cpu_seconds", help, None, cpu.metric_type())?)?;
    let resident_bytes = stat.rss.saturating_mul(procfs::page_size());
    gauge(encoder, "process_resident_memory_bytes", "Resident memory size in bytes", resident_bytes as f64)?;
    gauge(encoder, "process_virtual_memory_bytes", "Virtual memory size in bytes", stat.vsize as f64)?;
    gauge(encoder, "process_threads", "Threads of the process", stat.num_threads as f64)?;
    if let Ok(boot) = procfs::boot_time_secs() {
        let started_at = boot as f64 + stat.starttime as f64 / ticks_per_second;
        let help = "Start time of the process since the unix epoch in seconds";
        gauge(encoder, "process_start_time_seconds", help, started_at)?;
    }
    Ok(())
}

fn gauge(encoder: &mut DescriptorEncoder<'_>, name: &str, help: &str, value: f64) -> fmt::Result {
    let gauge = ConstGauge::new(value);
    let help = format!("{help}.");
    gauge.encode(encoder.encode_descriptor(name, &help, None, gauge.metric_type())?)
}
