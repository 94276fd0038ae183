//! Takes spans over OTLP gRPC, keeps them in memory and shows them in Jaeger's own front end, with
//! Jaeger's own interface behind it: `jaeger GRPC HTTP`, both addresses.

use std::error::Error;

use otlp_embedded::{Config, State, TraceServiceImpl, TraceServiceServer, ui_app};
use tokio::net::TcpListener;
use tonic::transport::Server;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let [grpc, http] =
        std::env::args().skip(1).collect::<Vec<_>>().try_into().map_err(|_| "jaeger GRPC HTTP")?;
    let state = State::new(Config { max_length: 1000, max_memory_usage: 64 << 20 });
    let traces = TraceServiceServer::new(TraceServiceImpl::new(state.clone()));
    let taking = Server::builder().add_service(traces).serve(grpc.parse()?);
    let listener = TcpListener::bind(&http).await?;
    let showing = axum::serve(listener, ui_app(state, "/"));
    tokio::try_join!(async { Ok::<_, Box<dyn Error>>(taking.await?) }, async {
        Ok(showing.await?)
    })?;
    Ok(())
}
