//! How long a change in openHAB takes to reach the meter's registers.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use hdrhistogram::Histogram;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
    header::{CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::{net::TcpStream, runtime::Builder, time::sleep};
use tokio_modbus::{
    Slave,
    client::{Context as Meter, Reader, tcp},
};

/// Nothing may take longer than this.
const LIMIT: Duration = Duration::from_secs(10);

/// `W`, the total power: a float in two registers.
const POWER: u16 = 40097;

/// Sets one state after another in openHAB, and reads the meter until each has arrived.
///
/// The time runs from before the request to openHAB, so it includes openHAB's share, to the end of
/// the meter's first answer with the new value. Everything is on this machine.
#[derive(Debug, Parser)]
struct Arguments {
    /// Address of the (simulated) openHAB
    openhab: SocketAddr,
    /// Address of the meter
    meter: SocketAddr,
    /// The item with the generator's power
    item: String,
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    changes: u16,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

async fn put(openhab: &mut SendRequest<Full<Bytes>>, item: &str, state: String) -> Result<()> {
    openhab.ready().await?;
    let request = Request::put(format!("/rest/items/{item}/state"))
        .header(HOST, "openhab")
        .header(CONTENT_TYPE, "text/plain")
        .body(Full::from(state))?;
    let answer = openhab.send_request(request).await?;
    ensure!(answer.status().is_success(), "openHAB answers {}", answer.status());
    answer.into_body().collect().await?;
    Ok(())
}

/// Reads until the power is `watts`, and returns the number of reads.
async fn wait_for(meter: &mut Meter, watts: f32) -> Result<u32> {
    let wanted = watts.to_bits();
    let begin = Instant::now();
    for reads in 1.. {
        let words = meter.read_holding_registers(POWER, 2).await??;
        let [high, low] = words[..] else { unreachable!("tokio-modbus has counted them") };
        if u32::from(high) << 16 | u32::from(low) == wanted {
            return Ok(reads);
        }
        ensure!(begin.elapsed() < LIMIT, "{watts} W were not served within {LIMIT:?}");
    }
    unreachable!("the limit comes first")
}

async fn measure(arguments: &Arguments) -> Result<serde_json::Value> {
    let stream = TcpStream::connect(arguments.openhab).await.context("openHAB")?;
    stream.set_nodelay(true)?;
    let (mut openhab, connection) = http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let stream = TcpStream::connect(arguments.meter).await.context("the meter")?;
    stream.set_nodelay(true)?;
    let mut meter = tcp::attach_slave(stream, Slave(1));

    let mut times = Histogram::<u64>::new_with_bounds(1_000, 60_000_000_000, 3)?;
    let mut reads = 0;
    for change in 1..=arguments.changes {
        // Not in step with anything.
        sleep(Duration::from_micros(u64::from(change) * 7919 % 2000)).await;
        let begin = Instant::now();
        let state = format!("{change} W");
        let (sent, read) = tokio::join!(put(&mut openhab, &arguments.item, state), async {
            let reads = wait_for(&mut meter, -f32::from(change)).await?;
            times.record(u64::try_from(begin.elapsed().as_nanos())?)?;
            anyhow::Ok(reads)
        });
        sent?;
        reads += read?;
    }
    let milliseconds =
        |quantile| Duration::from_nanos(times.value_at_quantile(quantile)).as_secs_f64() * 1e3;
    Ok(json!({
        "changes": times.len(),
        "reads_per_change": f64::from(reads) / f64::from(arguments.changes),
        "p50_ms": milliseconds(0.5),
        "p99_ms": milliseconds(0.99),
        "p999_ms": milliseconds(0.999),
        "max_ms": milliseconds(1.0),
    }))
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let figures = runtime.block_on(measure(&arguments))?;
    if arguments.json {
        println!("{figures}");
    } else {
        println!("{figures:#}");
    }
    Ok(())
}
