import greeter_pb2
import greeter_pb2_grpc

print(greeter_pb2.Name(name="works").name, hasattr(greeter_pb2_grpc, "GreeterStub"))
