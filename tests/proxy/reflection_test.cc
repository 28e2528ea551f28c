#include "proxy/reflection.h"

#include <google/protobuf/descriptor.pb.h>
#include <google/protobuf/descriptor_database.h>
#include <google/protobuf/dynamic_message.h>
#include <gtest/gtest.h>

#include <set>

#include "grpc/reflection/v1/reflection.pb.h"
#include "harness.h"

namespace ringway::proxy::test {
namespace {

namespace wire = grpc::reflection::v1;

constexpr char kV1[] = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo";
constexpr char kV1Alpha[] = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

wire::ServerReflectionResponse ask(const Reflection& reflection,
                                   const wire::ServerReflectionRequest& request) {
  wire::ServerReflectionResponse response;
  EXPECT_TRUE(response.ParseFromString(reflection.answer(request.SerializeAsString())));
  EXPECT_EQ(response.original_request().SerializeAsString(), request.SerializeAsString());
  return response;
}

std::set<std::string> services_of(const wire::ServerReflectionResponse& response) {
  std::set<std::string> names;
  for (const auto& service : response.list_services_response().service()) {
    names.insert(service.name());
  }
  return names;
}

class ReflectionTest : public ::testing::Test {
 protected:
  const std::shared_ptr<const tl::Contract> modern_ = contract_of(228);
  const std::shared_ptr<const tl::Contract> compat_ = contract_of(71);
  const Reflection reflection_{{modern_.get(), compat_.get(), modern_.get()}};
  wire::ServerReflectionRequest request_;
};

TEST_F(ReflectionTest, ListsAllServices) {
  request_.set_list_services("*");
  const std::set<std::string> expected = {"grpc.reflection.v1.ServerReflection",
                                          "grpc.reflection.v1alpha.ServerReflection",
                                          "ringway.proxy.v1.Updates",
                                          "mtproto.l228.Mtproto",
                                          "proxy.l228.UpdateStreamer",
                                          "mtproto.Mtproto",
                                          "proxy.UpdateStreamer"};
  EXPECT_EQ(services_of(ask(reflection_, request_)), expected);
}

// What a client without files does: it asks for a symbol, and builds a pool from what comes.
TEST_F(ReflectionTest, FilesOfASymbolAreComplete) {
  for (const char* symbol :
       {"mtproto.l228.Mtproto", "mtproto.l228.ReqMessagesSendMessage", "mtproto.Mtproto",
        "proxy.l228.UpdateStreamer", "proxy.UpdateStreamer.ListenOnUpdates",
        "ringway.proxy.v1.Updates", "ringway.proxy.v1.Gap.Reason",
        "grpc.reflection.v1alpha.ServerReflectionResponse", "google.protobuf.Any"}) {
    request_.set_file_containing_symbol(symbol);
    const auto response = ask(reflection_, request_);
    ASSERT_EQ(response.message_response_case(),
              wire::ServerReflectionResponse::kFileDescriptorResponse)
        << symbol;
    google::protobuf::SimpleDescriptorDatabase database;
    for (const std::string& bytes : response.file_descriptor_response().file_descriptor_proto()) {
      google::protobuf::FileDescriptorProto file;
      ASSERT_TRUE(file.ParseFromString(bytes));
      ASSERT_TRUE(database.Add(file));
    }
    google::protobuf::DescriptorPool pool(&database);
    EXPECT_NE(pool.FindFileContainingSymbol(symbol), nullptr) << symbol;
  }
}

TEST_F(ReflectionTest, FilesByName) {
  for (const char* name :
       {"types.tl.proto", "tl_update.proto", "mtproto/types.tl.proto", "mtproto/tl_update.proto",
        "google/protobuf/any.proto", "ringway/proxy/v1/updates.proto",
        "grpc/reflection/v1alpha/reflection.proto"}) {
    request_.set_file_by_filename(name);
    EXPECT_TRUE(ask(reflection_, request_).has_file_descriptor_response()) << name;
  }
}

TEST_F(ReflectionTest, WhatIsNotThereIsNotFound) {
  const auto code = [&] { return ask(reflection_, request_).error_response().error_code(); };
  request_.set_file_by_filename("nothing.proto");
  EXPECT_EQ(code(), grpc::StatusCode::NOT_FOUND);
  request_.set_file_containing_symbol("mtproto.l228.Nothing");
  EXPECT_EQ(code(), grpc::StatusCode::NOT_FOUND);
  request_.mutable_file_containing_extension()->set_containing_type("mtproto.ReqHelpGetConfig");
  EXPECT_EQ(code(), grpc::StatusCode::NOT_FOUND);
  request_.set_all_extension_numbers_of_type("mtproto.Nothing");
  EXPECT_EQ(code(), grpc::StatusCode::NOT_FOUND);
  request_.set_all_extension_numbers_of_type("mtproto.ReqHelpGetConfig");
  EXPECT_EQ(ask(reflection_, request_).all_extension_numbers_response().base_type_name(),
            "mtproto.ReqHelpGetConfig");
  request_.clear_message_request();
  EXPECT_EQ(code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(reflection_.answer("\x0f\xff"), "");
}

TEST(ReflectionStream, BothVersionsAnswerInOrder) {
  TestServer server;
  const auto channel = server.channel();
  for (const char* path : {kV1, kV1Alpha}) {
    RawStream stream(channel, path);
    wire::ServerReflectionRequest request;
    for (int i = 0; i < 3; ++i) {
      request.set_host("host" + std::to_string(i));
      request.set_list_services("");
      ASSERT_TRUE(stream.write(request.SerializeAsString(), i == 2));
      const auto bytes = stream.read();
      ASSERT_TRUE(bytes.has_value());
      wire::ServerReflectionResponse response;
      ASSERT_TRUE(response.ParseFromString(*bytes));
      EXPECT_EQ(response.valid_host(), request.host());
      EXPECT_TRUE(services_of(response).contains("mtproto.l228.Mtproto"));
    }
    EXPECT_FALSE(stream.read().has_value());
    EXPECT_TRUE(stream.finish().ok());
  }
  RawStream broken(channel, kV1);
  ASSERT_TRUE(broken.write("\x0f\xff"));
  EXPECT_FALSE(broken.read().has_value());
  EXPECT_EQ(broken.finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

// Nothing but what reflection says: the messages are made from its descriptors.
TEST(ReflectionStream, CallMadeFromWhatItSays) {
  TestServer server;
  server.calls().set_answer([](ByteView) { return result_of("75171a8e025858000200000004000000"); });
  const auto channel = server.channel();
  RawStream stream(channel, kV1Alpha);
  wire::ServerReflectionRequest request;
  request.set_file_containing_symbol("mtproto.l228.Mtproto");
  ASSERT_TRUE(stream.write(request.SerializeAsString(), true));
  const auto bytes = stream.read();
  ASSERT_TRUE(bytes.has_value());
  wire::ServerReflectionResponse response;
  ASSERT_TRUE(response.ParseFromString(*bytes));
  google::protobuf::SimpleDescriptorDatabase database;
  for (const std::string& file_bytes :
       response.file_descriptor_response().file_descriptor_proto()) {
    google::protobuf::FileDescriptorProto file;
    ASSERT_TRUE(file.ParseFromString(file_bytes));
    database.Add(file);
  }
  google::protobuf::DescriptorPool pool(&database);
  const auto* service = pool.FindServiceByName("mtproto.l228.Mtproto");
  ASSERT_NE(service, nullptr);
  const auto* method = service->FindMethodByName("HelpGetNearestDc");
  ASSERT_NE(method, nullptr);
  google::protobuf::DynamicMessageFactory factory(&pool);
  const std::unique_ptr<google::protobuf::Message> answer(
      factory.GetPrototype(method->output_type())->New());
  const Reply reply = call(channel, "/" + service->full_name() + "/" + method->name(), "");
  ASSERT_TRUE(answer->ParseFromString(reply.body));
  EXPECT_NE(answer->ShortDebugString().find("ThisDc: 2"), std::string::npos)
      << answer->ShortDebugString();
}

}  // namespace
}  // namespace ringway::proxy::test
