using Litestream.Cli;

return await CommandLine.RunAsync(args, CliHost.ForProcess()).ConfigureAwait(false);
