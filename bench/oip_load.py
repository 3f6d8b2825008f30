"""One gRPC client in a loop, for bench_serve: prints requests a second and the median in milliseconds.

oip_load.py ADDRESS MODEL SECONDS INPUTS    # INPUTS: [{"name", "datatype", "values"}, …] as JSON
"""

import json
import statistics
import sys
import time

import numpy
import tritonclient.grpc

DTYPES = {"BYTES": object, "INT64": numpy.int64, "FP64": numpy.float64}


def tensor(described):
    values = numpy.array(described["values"], dtype=DTYPES[described["datatype"]])
    made = tritonclient.grpc.InferInput(described["name"], list(values.shape), described["datatype"])
    made.set_data_from_numpy(values)
    return made


def main():
    address, model, seconds, inputs = sys.argv[1:]
    tensors = [tensor(described) for described in json.loads(inputs)]
    with tritonclient.grpc.InferenceServerClient(address) as client:
        times = []
        end = time.perf_counter() + float(seconds)
        while (started := time.perf_counter()) < end:
            client.infer(model, tensors)
            times.append(time.perf_counter() - started)
    print(json.dumps([len(times) / float(seconds), 1000 * statistics.median(times)]))


if __name__ == "__main__":
    main()
