//! `bare ADDRESS FILE [nagle]`: serves the block in the file by tokio-modbus alone.

use std::{env, path::PathBuf};

use anyhow::{Context, Result};
use fronius_smartmeter_benches::{bare, block::Block};
use tokio::{net::TcpListener, runtime::Builder};

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let address = arguments.next().context("no address")?;
    let file = arguments.next().map(PathBuf::from).context("no file")?;
    let nagle = arguments.next().as_deref() == Some("nagle");
    let block = Block::load(&file)?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await?;
        Ok(bare::serve(listener, block, nagle).await?)
    })
}
